"""Reading a configuration of the reference: one file or a folder of them, with overrides, into typed sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flairhub.catalog.modalities import INPUTS, LABELS
from flairhub.config.base import build, nearest
from flairhub.config.params import OVERRIDABLE
from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.reference.keys import (
    RENAMED,
    SECTIONS,
    Hardware,
    Hyperparams,
    LabelConfig,
    Modalities,
    Models,
    Paths,
    Saving,
    Tasks,
)
from flairhub.reference.quirks import read_quirks

SUFFIXES = (".yaml", ".yml")
OVERRIDE = "--set"
OWN = "flairhub"
"""Top-level key of parameters of a row as params.yaml has them; they go before the reference's keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceConfig:
    """A configuration, whole and valid key by key."""

    source: Path
    """The file or folder."""
    files: tuple[Path, ...]
    """What was read."""
    origins: Mapping[str, str]
    """Top-level key -> name of the file that has it, for messages."""
    paths: Paths
    tasks: Tasks
    hyperparams: Hyperparams
    hardware: Hardware
    saving: Saving
    modalities: Modalities
    models: Models
    labels: tuple[str, ...]
    """Active tasks."""
    labels_configs: Mapping[str, LabelConfig]
    quirks: Mapping[str, bool]
    """Kept or not, where the file says so."""
    own: Mapping[str, Any]
    """Section `flairhub` of what `export` writes: what the reference has no key for."""
    plain: Mapping[str, Any]
    """As read, overrides applied."""

    def place(self, key: str) -> str:
        """`FILE: key` of a dotted key, for messages."""
        return f"{self.origins.get(key.split('.', maxsplit=1)[0], self.source.name)}: `{key}`"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Active inputs in encoder order."""
        return tuple(name for name in INPUTS if self.modalities.inputs.get(name))

    @property
    def inputs_as_listed(self) -> tuple[str, ...]:
        """Active inputs in the order of the file."""
        return tuple(name for name, active in self.modalities.inputs.items() if active)


def read_config(source: Path, overrides: Sequence[str] = ()) -> ReferenceConfig:
    """Read a configuration.

    Args:
        source: a YAML file, or a folder of which every YAML file is read.
        overrides: `dotted.key=VALUE` with a value in YAML.

    Raises:
        MissingFileError: there is no such file or folder, or no YAML file in it.
        ConfigurationError: a file is no mapping, a key is unknown, given twice or missing, or a value does not fit.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    files = _files(source)
    for path in files:
        for name, value in read_mapping(path).items():
            key = str(name)
            if key in values:
                raise ConfigurationError(
                    f"{path.name}: expected `{key}` in one file, but {origins[key]} has it too; remove one of them."
                )
            values[key], origins[key] = value, path.name
    for text in overrides:
        key = _override(values, text)
        origins.setdefault(key, OVERRIDE)
    return _typed(source, files, values, origins)


def _files(source: Path) -> tuple[Path, ...]:
    if source.is_file():
        return (source,)
    if not source.is_dir():
        raise MissingFileError(f"Expected a configuration file or a folder of them at {source}, but there is none.")
    found = tuple(sorted(path for path in source.iterdir() if path.suffix in SUFFIXES and path.is_file()))
    if not found:
        raise MissingFileError(f"Expected YAML files in the configuration folder {source}, but there is none.")
    return found


def read_mapping(path: Path) -> dict[Any, Any]:
    """The content of a YAML file.

    Raises:
        ConfigurationError: it is no YAML, or no mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: expected YAML, but got: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: expected a mapping of keys, but got {type(values).__name__}.")
    return values


def _override(values: dict[str, Any], text: str) -> str:
    """Apply one override in place; returns its top-level key."""
    dotted, equals, value = text.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise ConfigurationError(f"{OVERRIDE}: expected KEY=VALUE such as hyperparams.batch_size=2, but got {text!r}.")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigurationError(f"{OVERRIDE} {dotted}: expected a value in YAML, but got {value!r}.") from None
    node = values
    for position, key in enumerate(keys[:-1]):
        inner = node.get(_key(node, key))
        if inner is None:
            inner = node[_key(node, key)] = {}
        if not isinstance(inner, dict):
            above = ".".join(keys[: position + 1])
            raise ConfigurationError(f"{OVERRIDE} {dotted}: expected `{above}` to be a section, but it is {inner!r}.")
        copy = dict(inner)
        node[_key(node, key)] = copy
        node = copy
    node[_key(node, keys[-1])] = parsed
    return keys[0]


def _key(node: Mapping[Any, Any], text: str) -> Any:
    """The key as the mapping has it: class indices are numbers."""
    return int(text) if text.isdigit() and any(isinstance(key, int) for key in node) else text


def _typed(source: Path, files: tuple[Path, ...], values: dict[str, Any], origins: dict[str, str]) -> ReferenceConfig:
    known = (*SECTIONS, "labels", "labels_configs", "quirks", OWN)
    for key in values:
        if key not in known:
            raise ConfigurationError(f"{origins[key]}: unknown key `{key}`{nearest(key, known)}")
    sections: dict[str, Any] = {}
    for key, kind in SECTIONS.items():
        inside = _section(source, values, origins, key)
        for (section, old), new in RENAMED.items():
            if section == key and old in inside:
                inside.setdefault(new, inside.pop(old))
        sections[key] = build(kind, inside, f"{origins[key]}, {key}")
    labels, configs = _labels(source, values, origins)
    return ReferenceConfig(
        source=source,
        files=files,
        origins=origins,
        labels=labels,
        labels_configs=configs,
        quirks=read_quirks(values.get("quirks"), origins.get("quirks", "")),
        own=_own(values.get(OWN), origins.get(OWN, "")),
        plain=values,
        **sections,
    )


def _own(value: Any, file: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"{file}: expected `{OWN}` to be a section of keys, but got {value!r}.")
    known = (*OVERRIDABLE, "seeds", "weights")
    for key in value:
        if key not in known:
            raise ConfigurationError(f"{file}: unknown key `{OWN}.{key}`{nearest(str(key), known)}")
    return dict(value)


def _section(source: Path, values: Mapping[str, Any], origins: Mapping[str, str], key: str) -> dict[str, Any]:
    if key not in values:
        raise ConfigurationError(f"{source}: expected a section `{key}`, but the configuration has none.")
    if not isinstance(values[key], dict):
        raise ConfigurationError(f"{origins[key]}: expected `{key}` to be a section of keys, but got {values[key]!r}.")
    return dict(values[key])


def _labels(
    source: Path, values: Mapping[str, Any], origins: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, LabelConfig]]:
    """Active tasks in their order, and what is said of each task."""
    listed = values.get("labels")
    place = f"{origins.get('labels', source.name)}: `labels`"
    if not isinstance(listed, list) or not listed:
        raise ConfigurationError(f"{place}: expected a list of label layers, but got {listed!r}.")
    for name in listed:
        if name not in LABELS:
            raise ConfigurationError(f"{place}: expected label layers, but got {name!r}{nearest(str(name), LABELS)}")
    if len(set(listed)) < len(listed):
        raise ConfigurationError(f"{place}: expected each label layer once, but got {listed}.")
    plain = _section(source, values, origins, "labels_configs")
    file = origins["labels_configs"]
    for name in plain:
        if name not in LABELS:
            raise ConfigurationError(f"{file}: unknown key `labels_configs.{name}`{nearest(str(name), LABELS)}")
    for name in listed:
        if name not in plain:
            raise ConfigurationError(f"{file}: expected `labels_configs.{name}`, because it is listed in `labels`.")
        if not isinstance(plain[name], dict):
            raise ConfigurationError(
                f"{file}: expected `labels_configs.{name}` to be a section of keys, but got {plain[name]!r}."
            )
    configs = {
        name: build(LabelConfig, _without_spares(plain[name]), f"{file}, labels_configs.{name}") for name in listed
    }
    return tuple(listed), configs


def _without_spares(config: Mapping[Any, Any]) -> dict[str, Any]:
    """Without `value_name2` and the like: the example keeps class lists of other levels under such names."""
    spare = {key for key in config if isinstance(key, str) and key.startswith("value_name") and key[10:].isdigit()}
    return {key: value for key, value in config.items() if key not in spare}
