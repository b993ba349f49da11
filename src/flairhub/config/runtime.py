"""Untracked settings: what differs between machines and must not change any result.

They lie in the git-ignored file `local.yaml` of the main workspace; an environment variable
`FLAIRHUB_<NAME>` goes before the file. Nothing here enters a parameter, a hash or an output.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flairhub.config.base import Section, build, nearest
from flairhub.config.workspace import Workspace
from flairhub.errors import ConfigurationError
from flairhub.files import replacing

FILE = "local.yaml"
"""Name of the settings file in the main workspace."""

PREFIX = "FLAIRHUB_"
"""Environment variables are this and the setting's name in capitals."""

_OF_TESTS = ("parity_dir", "chromium")
"""Variables of the tests: where files to compare with and a browser lie."""

_HEADER = "# Settings of this machine; not tracked. FLAIRHUB_<NAME> in the environment goes before them.\n"


def usable_cores() -> int:
    """Cores that this process may use; a batch system or a container can allow fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _default_workers() -> int:
    return min(usable_cores(), 4)


class RuntimeSettings(Section):
    """Settings of one machine."""

    data: Path | None = None
    """Folder of the archives for `data.source: local`; null: not set."""
    layout: Literal["archives", "extracted", "stored"] = "archives"
    """What training and evaluation read patches from: archives in place, the same files unpacked once into
    `.flairhub/extracted`, or zips with uncompressed members in `.flairhub/stored`. The tensors are the same."""
    workers: int = Field(default_factory=_default_workers, ge=0)
    """Processes of the index and of each data loader; 0 and 1: in the process itself. Default: up to 4."""
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    """Device type of training and evaluation."""
    devices: int | Literal["auto"] = "auto"
    """Devices per node."""
    num_nodes: int = Field(default=1, ge=1)
    """Nodes of a distributed training."""
    progress: bool = True
    """Whether progress bars are drawn."""
    progress_rate: int = Field(default=1, ge=1)
    """Training batches between two updates of the bar."""
    cache_mb: int = Field(default=512, ge=0)
    """Memory for decoded patches of each loader, MiB; 0: decode anew in every epoch."""
    checkpoint_seconds: float = Field(default=300.0, ge=0)
    """Least time between two checkpoints inside an epoch, seconds; every epoch ends with one."""
    tracking_uri: str | None = None
    """Address of the MLflow server or store; null: SQLite in `mlruns/` of the main workspace."""
    tracking_weights_mb: float = Field(default=0.0, ge=0)
    """Weights up to this size, MB, are copied into MLflow's store; larger ones are named by address and checksum."""
    downloads: int = Field(default=4, ge=1)
    """Files that are downloaded at a time."""
    download_mb_s: float | None = Field(default=None, gt=0)
    """Most that all downloads take together, MB per second; null: as fast as it goes. With a limit the Hub's chunk
    storage is not used."""
    scheduler: str | None = None
    """Address of a running Dask scheduler; null: processes of this machine."""


def read_settings(workspace: Workspace, environment: Mapping[str, str] | None = None) -> RuntimeSettings:
    """The settings in force: defaults, then `local.yaml`, then the environment.

    Args:
        workspace: its main folder holds `local.yaml`; a relative `data` starts there.
        environment: variables to read; None: those of the process.

    Raises:
        ConfigurationError: the file is not a YAML mapping, a key is unknown, or a value does not fit.
    """
    path = workspace.main / FILE
    in_file = dict(_load(path) or {})
    variables = os.environ if environment is None else environment
    build(RuntimeSettings, in_file, str(path))
    settings = build(RuntimeSettings, {**in_file, **_from_environment(variables)}, f"{path} and the environment")
    if settings.data is None:
        return settings
    return settings.model_copy(update={"data": (workspace.main / settings.data.expanduser()).resolve()})


def write_setting(workspace: Workspace, **values: Any) -> Path:
    """Set some settings in `local.yaml`, keeping the others and all comments; returns the file's path.

    Raises:
        ConfigurationError: a name is unknown or a value does not fit; the file is left as it was.
    """
    path = workspace.main / FILE
    document = _load(path)
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
    build(RuntimeSettings, {**(document or {}), **plain}, str(path))
    yaml = _yaml()
    comments = ""
    if document is None:
        comments = path.read_text(encoding="utf-8") if path.is_file() else _HEADER
        document = yaml.map()
    document.update(plain)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as handle:
        handle.write(comments)
        yaml.dump(document, handle)
    return path


def _yaml() -> Any:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 120
    # null is written out: an empty value reads like a forgotten one
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _load(path: Path) -> Any:
    """The file's mapping with its comments; None where there is no file or nothing but comments in it."""
    if not path.is_file():
        return None
    try:
        document = _yaml().load(path)
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: expected YAML, but got {error}; correct or remove the file.") from None
    if document is not None and not isinstance(document, dict):
        raise ConfigurationError(f"{path}: expected `setting: value` lines, but got {document!r}; correct the file.")
    return document


def require_known(variables: Mapping[str, str]) -> None:
    """Refuse a misspelt variable, which would set nothing.

    Raises:
        ConfigurationError: a variable begins as ours do and is none; the nearest is named.
    """
    known = {PREFIX + name.upper() for name in (*RuntimeSettings.model_fields, *_OF_TESTS)}
    for name in sorted(variables):
        if name.startswith(PREFIX) and name not in known:
            raise ConfigurationError(f"Unknown variable {name} in the environment{nearest(name, known)}")


def _from_environment(variables: Mapping[str, str]) -> dict[str, str | None]:
    """Settings named in the environment; an empty variable counts as unset, `null` as no value; others are refused."""
    require_known(variables)
    values: dict[str, str | None] = {}
    for name in RuntimeSettings.model_fields:
        value = variables.get(PREFIX + name.upper(), "").strip()
        if value:
            values[name] = None if value.lower() in {"null", "none"} else value
    return values
