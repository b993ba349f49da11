"""Profiles: ready-made contents of params.yaml.

`profiles/sample.yaml` is complete and is what params.yaml holds in a fresh clone; every other profile lists
only what it changes. Comments survive, because the files are edited as documents.

Two keys belong to profiles alone and never reach params.yaml: `extends: NAME` starts from another profile's changes,
and `only_rows: [ROW, ...]` keeps these rows only.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flairhub.catalog.identifiers import check_identifier
from flairhub.catalog.modalities import with_companions
from flairhub.config.base import nearest
from flairhub.config.reader import parse_params
from flairhub.config.resolve import row_recipe
from flairhub.config.yaml_file import parse_yaml, problem, read_yaml
from flairhub.errors import ConfigurationError, MissingFileError

BASE = "sample"
EXTENDS, ONLY_ROWS = "extends", "only_rows"


def profile_names(folder: Path) -> list[str]:
    """Names of the profiles in a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def profile_text(folder: Path, name: str, *, rows: Sequence[str] | None = None, sets: Sequence[str] = ()) -> str:
    """The text of params.yaml for a profile.

    Args:
        folder: the profiles folder.
        name: a profile, e.g. `full`.
        rows: identifiers of the rows to keep, in params.yaml's order; None keeps all.
        sets: `KEY=VALUE` changes with dotted keys and YAML values, applied last.

    Returns:
        The text; exactly that of `sample.yaml` for the sample profile without changes.

    Raises:
        ConfigurationError: an unknown profile, row or key (the nearest valid one is named), or a bad value.
    """
    changes = profile_layers(folder, name)
    base = (folder / f"{BASE}.yaml").read_text(encoding="utf-8")
    if name == BASE and rows is None and not sets:
        return base
    document = _load(base, f"{BASE}.yaml")
    for overlay in changes.values():
        only = overlay.pop(ONLY_ROWS, None)
        _overlay(document, overlay)
        if only is not None:
            _keep_rows(document, only, ONLY_ROWS)
    if rows is not None:
        _keep_rows(document, rows, "--rows")
        if document["data"]["source"] == "huggingface":
            document["data"]["subset"]["modalities"] = _layers(document["rows"])
    for change in sets:
        _set(document, change)
    text = _dump(document)
    _check(text)
    return text


def profile_layers(folder: Path, name: str) -> dict[str, Any]:
    """What the profiles that a profile consists of change in the base, by name, that which is extended first.

    Raises:
        ConfigurationError: one is unknown, extends itself, or is no YAML mapping.
    """
    overlays: dict[str, Any] = {}
    seen: list[str] = []
    following: str | None = name
    while following is not None:
        check_identifier(following, "Profile")
        if following not in profile_names(folder):
            raise ConfigurationError(f"There is no profile {following!r}{nearest(following, profile_names(folder))}")
        if following in seen:
            raise ConfigurationError(f"Profile {name!r} extends itself: {' -> '.join([*seen, following])}.")
        seen.append(following)
        if following == BASE:
            break
        overlay = _load((folder / f"{following}.yaml").read_text(encoding="utf-8"), f"{following}.yaml")
        if not isinstance(overlay, dict):
            raise ConfigurationError(f"Expected {following}.yaml to hold a mapping, but got {type(overlay).__name__}.")
        overlays = {following: overlay} | overlays
        following = overlay.pop(EXTENDS, None)
    return overlays


def _load(text: str, where: str) -> Any:
    from ruamel.yaml.error import YAMLError

    try:
        return _round_trip().load(text)
    except YAMLError as error:
        raise ConfigurationError(f"{where} is not valid YAML 1.2: {problem(error)}") from None


def _round_trip() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt", pure=True)
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dump(document: Any) -> str:
    """The document as text; `null` is written out, as in the profiles."""
    yaml = _round_trip()
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    buffer = io.StringIO()
    yaml.dump(document, buffer)
    # An empty line belongs to the key before it, which may be gone, or have got another one below it.
    text = re.sub(r"\n\n+(?= )", "\n", buffer.getvalue())
    return re.sub(r"(?<=[^\n])\n(?=\w+:)", "\n\n", text)


def _overlay(document: Any, changes: Any) -> None:
    """Write the values of `changes` into the document: block mappings key by key, `{...}` as a whole."""
    for key, value in changes.items():
        old = document.get(key)
        if _is_block(value) and isinstance(old, Mapping) and old:
            _overlay(old, value)
        else:
            document[key] = value


def _is_block(value: Any) -> bool:
    """Whether a value was written as an indented mapping, not as `{...}`; `{}` empties what was there."""
    return isinstance(value, Mapping) and len(value) > 0 and not getattr(value, "fa").flow_style()  # noqa: B009 - ruamel's own attribute


def _keep_rows(document: Any, rows: Sequence[str], where: str) -> None:
    known = list(document["rows"])
    if not rows:
        raise ConfigurationError(f"{where}: expected identifiers of rows, e.g. {', '.join(known[:2])}, but got none.")
    for row in rows:
        if row not in known:
            raise ConfigurationError(f"{where}: unknown row {row!r}{nearest(row, known)}")
    for row in known:
        if row not in rows:
            del document["rows"][row]


def _layers(rows: Mapping[str, Any]) -> list[str]:
    """Layers that rows read, in the catalog's order: nobody downloads 750 GB for one row."""
    return with_companions({layer for row in rows.values() for layer in (*row["modalities"], *row["tasks"])})


def _set(document: Any, change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise ConfigurationError(f"Expected --set KEY=VALUE, e.g. train.learning_rate=1e-4, but got {change!r}.")
    *parents, last = key.split(".")
    node = document
    for part in parents:
        if not isinstance(node.get(part), Mapping):
            node[part] = {}
        node = node[part]
    node[last] = _load(text, f"--set {key}") if text else None


def _check(text: str) -> None:
    """Build every recipe, so that a wrong key or value is found here and not in the middle of a run."""
    params = parse_params(parse_yaml(text, "params.yaml"), "params.yaml")
    for row in params.rows:
        row_recipe(params, row)


def current_profile(params_path: Path) -> str:
    """Name of the profile that params.yaml says it holds.

    Raises:
        MissingFileError: there is no params.yaml here.
    """
    if not params_path.is_file():
        raise MissingFileError(f"Expected {params_path.name} in the current folder; run this in the repository.")
    return str(read_yaml(params_path).get("profile"))
