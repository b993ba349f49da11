"""The repository at a revision, without checking it out: files of git, and files that DVC keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.lineage.dvc import file_md5, parse_lock
from flairhub.lineage.git import resolve_commit, text_at

STAGES = ("pull", "index", "audit", "split", "stats", "resolve")
"""Stages of the data, each built on those before it."""

PARAMS = "params.yaml"


@dataclass(frozen=True)  # without slots: cached properties need a dictionary
class RevisionFiles:
    """What a revision holds."""

    root: Path
    """Folder of dvc.lock."""
    revision: str | None
    """As git names it; None: the work tree."""
    folder: Path
    """Where files of DVC are copied to."""

    def __post_init__(self) -> None:
        """Refuse a revision that does not exist."""
        if self.revision is not None and resolve_commit(self.root, self.revision) is None:
            raise ConfigurationError(
                f"Expected a revision of git in {self.root}, but got {self.revision!r}; `git log --oneline` lists them."
            )

    @property
    def name(self) -> str:
        """For messages."""
        return self.revision or "the work tree"

    def text(self, name: str) -> str | None:
        """A file that git tracks; None where the revision has none."""
        if self.revision is not None:
            return text_at(self.root, self.revision, name)
        path = self.root / name
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def require_text(self, name: str) -> str:
        """A file that git tracks.

        Raises:
            MissingFileError: the revision has none.
        """
        text = self.text(name)
        if text is None:
            raise MissingFileError(f"Expected {name} in {self.name}, but there is none; choose another revision.")
        return text

    @cached_property
    def lock(self) -> Mapping[str, Any]:
        """Stages of dvc.lock; none where there is no lock file, or none that can be read."""
        return parse_lock(self.text("dvc.lock") or "") or {}

    def settled(self, stage: str, params: Mapping[str, Any]) -> bool:
        """Whether dvc.lock holds the result of a stage, and of those before it, for the parameters of this revision.

        What code the results were made with is not looked at.

        Args:
            stage: one of `STAGES`.
            params: params.yaml of the revision, as plain values.
        """
        return all(self._fits(name, params) for name in STAGES[: STAGES.index(stage) + 1])

    def _fits(self, stage: str, params: Mapping[str, Any]) -> bool:
        entry = self.lock.get(stage)
        if entry is None:
            return False
        noted: Mapping[str, Any] = entry.get("params", {}).get(PARAMS, {})
        if any(_lookup(params, key) != value for key, value in noted.items()):
            return False
        outs = {out["path"]: out.get("md5") for other in self.lock.values() for out in other.get("outs", [])}
        for dependency in entry.get("deps", []):
            path, md5 = dependency["path"], dependency.get("md5")
            if path in outs and outs[path] != md5:
                return False
            if path.startswith("data/sources/") and md5 != _md5(self.text(path)):
                return False
        return True

    def fetch(self, name: str) -> Path:
        """A file or folder that DVC keeps, out of the work tree, its cache or a remote.

        Raises:
            MissingFileError: it is in none of them.
        """
        target = self.folder / name
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._dvc.get(name, str(target), recursive=True)
        except FileNotFoundError:
            raise MissingFileError(
                f"Expected {name} of {self.name} in DVC's cache or a remote, but it is in neither; `dvc fetch` in a "
                "clone that has the remote, or run its stage."
            ) from None
        return target

    def names(self, folder: str) -> dict[str, str]:
        """Files of a folder that DVC keeps, by name -> MD5.

        Raises:
            MissingFileError: DVC has not got it.
        """
        try:
            listed = self._dvc.ls(folder, detail=True)
        except FileNotFoundError:
            raise MissingFileError(f"Expected {folder} of {self.name}, but DVC has none; run its stage.") from None
        names = {each["name"]: each.get("md5") for each in listed if each["type"] == "file"}
        return {Path(name).name: md5 or file_md5(self.root / name) for name, md5 in names.items()}

    @cached_property
    def _dvc(self) -> Any:
        from dvc.api import DVCFileSystem  # a second, which only those pay who need it

        return DVCFileSystem(str(self.root), rev=self.revision)


def _lookup(values: Mapping[str, Any], key: str) -> Any:
    node: Any = values
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node


def _md5(text: str | None) -> str | None:
    return None if text is None else hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
