"""Weights files that a row is given instead of being trained: where they lie on this machine.

Kept apart from the download, so that training does not depend on how a file came here (the fingerprint of a stage
follows imports).
"""

from __future__ import annotations

from pathlib import Path

from flairhub.archives.checksums import sha256_of
from flairhub.config.recipe import RELEASED
from flairhub.config.workspace import Workspace
from flairhub.errors import IntegrityError, MissingFileError


def weights_folder(workspace: Workspace) -> Path:
    """Where published weights files lie: `data/weights` of the main workspace."""
    return workspace.main / "data" / "weights"


def weights_path(weights: str, file: str, workspace: Workspace) -> Path:
    """Where a given weights file should be; it need not exist.

    Args:
        weights: `rows.X.weights` as params.yaml has it: `released` or a path. A relative path starts at the
            repository; in the copy of an experiment, at the main workspace where the copy has no such file.
        file: name of the published file, for `released`.
        workspace: both roots.
    """
    if weights == RELEASED:
        return weights_folder(workspace) / file
    stated = Path(weights).expanduser()
    here, main = workspace.root / stated, workspace.main / stated  # an absolute path stays as it is
    return here if here.is_file() or not main.is_file() else main


def verify_weights(path: Path, sha256: str | None) -> None:
    """Make sure that a weights file has the bytes that the row's inputs name.

    Args:
        path: the file.
        sha256: checksum of the inputs.

    Raises:
        MissingFileError: there is no such file.
        IntegrityError: it has other bytes.
    """
    if not path.is_file():
        raise MissingFileError(
            f"Expected a weights file at {path}, but there is none; put it there, or let "
            "`dvc repro --force resolve` look for it again."
        )
    actual = sha256_of(path)
    if actual != sha256:
        raise IntegrityError(
            f"{path}: expected the weights with sha256 {sha256} that the row's inputs name, but got {actual}; restore "
            "the file, or let `dvc repro --force resolve` take note of the new one."
        )
