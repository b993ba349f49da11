"""Where things lie: the folder a stage works in, and the main workspace it belongs to.

Queued and temporary DVC experiments run in a copy of the repository in which ignored files are absent. What
is shared by all copies - archives, resume states, the tracking store, local settings - lies in the main
workspace, which DVC names in `DVC_ROOT`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workspace:
    """The two roots."""

    root: Path
    """Folder with params.yaml and dvc.yaml in which this process works."""
    main: Path
    """Main workspace; the same as `root` outside experiments."""

    @property
    def archives(self) -> Path:
        """Store of downloaded or generated archives."""
        return self.main / "data" / "archives"

    @property
    def state(self) -> Path:
        """Resume states, caches and locks: never an output of a stage."""
        return self.main / ".flairhub"

    @property
    def tracking(self) -> Path:
        """Folder of the default MLflow store."""
        return self.main / "mlruns"


def find_workspace(start: Path | None = None) -> Workspace:
    """The workspace of a folder (default: the current one), honouring `DVC_ROOT`."""
    root = (start or Path.cwd()).resolve()
    main = os.environ.get("DVC_ROOT")
    return Workspace(root=root, main=Path(main).resolve() if main else root)
