"""The repository that a command works in: where it is, and what lies in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from flairhub.errors import ConfigurationError, MissingFileError

if TYPE_CHECKING:
    from flairhub.archives.reader import PatchReader
    from flairhub.config.params import Params
    from flairhub.config.runtime import RuntimeSettings
    from flairhub.config.workspace import Workspace
    from flairhub.records.manifest import Manifest

PARAMS = "params.yaml"
PROFILES = "profiles"
MANIFEST = Path("data/manifest.json")
"""Where the manifest lies in the repository."""


@dataclass(frozen=True)  # without slots: cached properties need a dictionary
class Project:
    """A repository. What lies in it is read when it is asked for, once."""

    root: Path
    """Folder of params.yaml, dvc.yaml and profiles/."""

    @cached_property
    def workspace(self) -> Workspace:
        """The two roots."""
        from flairhub.config.workspace import find_workspace

        return find_workspace(self.root)

    @cached_property
    def settings(self) -> RuntimeSettings:
        """Settings of this machine."""
        from flairhub.config.runtime import read_settings

        return read_settings(self.workspace)

    @cached_property
    def params(self) -> Params:
        """params.yaml."""
        from flairhub.config.reader import read_params

        return read_params(self.root / PARAMS)

    @cached_property
    def manifest(self) -> Manifest:
        """The version of the data."""
        from flairhub.records.manifest import read_manifest

        return read_manifest(self.root / MANIFEST)

    @cached_property
    def archives(self) -> Path:
        """Folder of the manifest's archives on this machine; raises where there is none."""
        from flairhub.archives.locate import archive_folder

        return archive_folder(self.manifest.source, self.workspace, self.settings)

    def reader(self) -> PatchReader:
        """A reader of the archives."""
        from flairhub.archives.reader import PatchReader

        return PatchReader(self.archives)

    def require_own_package(self, package: Path) -> None:
        """Refuse another copy of the package than the repository's, as the stages do.

        Args:
            package: the file of a module that was imported.

        Raises:
            ConfigurationError: the repository has a copy of its own.
        """
        own = self.root / "src" / "flairhub"
        if own.is_dir() and not package.resolve().is_relative_to(own.resolve()):
            raise ConfigurationError(
                f"Expected the package of this repository, {own}, but Python imported {package}; run the `flairhub` of "
                "this repository's environment (`make env`), without a PYTHONPATH that leads elsewhere."
            )


def locate(start: Path) -> Project | None:
    """The repository of a folder: the nearest one upwards with a params.yaml or profiles; None outside."""
    for folder in (start, *start.parents):
        if (folder / PARAMS).is_file() or (folder / PROFILES / "sample.yaml").is_file():
            return Project(folder)
    return None


def workspace_here() -> Workspace:
    """The workspace of the repository around the current folder; outside one, of the folder itself."""
    from flairhub.config.workspace import find_workspace

    project = locate(Path.cwd())
    return find_workspace() if project is None else project.workspace


def find_project(start: Path | None = None) -> Project:
    """The repository of a folder (default: the current one).

    Raises:
        MissingFileError: the folder is in none.
    """
    folder = (start or Path.cwd()).resolve()
    root = locate(folder)
    if root is None:
        raise MissingFileError(
            f"Expected the repository, a folder with {PARAMS} and {PROFILES}/, at {folder} or above it, but there is "
            "none; run this in the repository."
        )
    return root
