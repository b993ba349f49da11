"""Where the archives of a manifest lie on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flairhub.archives.folder import find_root
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.errors import ConfigurationError, DataError


def archive_folder(source: Mapping[str, Any], workspace: Workspace, settings: RuntimeSettings) -> Path:
    """The folder that holds the archives of a manifest, each as `NAME.zip` or as a folder `NAME/`.

    Args:
        source: `source` of the manifest.
        workspace: its main folder holds the store `data/archives/`.
        settings: its `data` is the folder of the source `local`.

    Raises:
        ConfigurationError: the source is `local` and no folder is set.
        MissingFileError: that folder, or archives in it, do not exist.
        DataError: the source is of no known kind.
    """
    kind = source.get("kind")
    if kind == "local":
        return find_root(local_folder(settings))
    if kind == "sample":
        return workspace.archives / "sample" / _token(source, "key")
    if kind == "url":
        return workspace.archives / "url" / _token(source, "sha256")[:12]
    if kind == "huggingface":
        return workspace.archives / "huggingface"
    raise DataError(
        f"Expected the manifest's source to be sample, local, url or huggingface, but got {kind!r}; "
        "run `flairhub pull`."
    )


def local_folder(settings: RuntimeSettings) -> Path:
    """The folder set for the source `local`.

    Raises:
        ConfigurationError: none is set.
    """
    if settings.data is None:
        raise ConfigurationError(
            "Expected a folder of archives for data.source `local`, but none is set; "
            "run `flairhub use local --data PATH`, or set FLAIRHUB_DATA."
        )
    return settings.data


def _token(source: Mapping[str, Any], name: str) -> str:
    value = source.get(name)
    if not isinstance(value, str) or not value.isalnum():
        raise DataError(f"Expected the manifest's source to have `{name}`, but got {value!r}; run `flairhub pull`.")
    return value
