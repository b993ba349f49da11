"""DVC's cache, by checksum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.tracking.errors import TrackingError


@dataclass(frozen=True, slots=True)
class DvcCache:
    """The local cache of a repository, wherever DVC's configuration puts it."""

    _database: Any

    def path(self, md5: str) -> Path | None:
        """File of that checksum (`.dir` for the listing of a folder); None where it is not there."""
        path = Path(self._database.oid_to_path(md5))
        return path if path.is_file() else None


def open_cache(root: Path) -> DvcCache:
    """The cache of the repository in a folder.

    Raises:
        TrackingError: it is no DVC repository, or its configuration is broken.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        return DvcCache(Repo(str(root)).cache.local)
    except DvcException as error:
        raise TrackingError(
            f"{root}: expected a DVC repository, whose cache holds the results of earlier commits and experiments, "
            f"but got: {error}; run `dvc init`, or `flairhub track` without --all."
        ) from None
