"""What the page is made of: the rows' files, the version of the data, where archives lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flairhub.archives.locate import archive_folder
from flairhub.config.params import Params
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.records.details import Details
from flairhub.records.history import History
from flairhub.records.layout import RowFiles, row_files
from flairhub.records.manifest import Manifest, read_manifest
from flairhub.records.receipt import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSource:
    """Everything that one row left."""

    row: str
    files: RowFiles
    receipt: Receipt
    details: Details
    histories: Mapping[int, History]
    """By seed; none where weights were given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSources:
    """Everything that the page shows, apart from the table."""

    rows: tuple[RowSource, ...]
    """In the order of the parameters."""
    manifest: Manifest
    index: Path
    """Folder of the index stage."""
    profiles: Path
    archives: Callable[[], Path]
    """Folder of the archives; asked only if there are examples to draw."""

    def row(self, name: str) -> RowSource:
        """The row of this name."""
        return next(row for row in self.rows if row.row == name)


def read_sources(params: Params, root: Path, workspace: Workspace, settings: RuntimeSettings) -> PageSources:
    """Read what the page needs of the rows that the parameters list.

    Args:
        params: all parameters.
        root: the repository.
        workspace: its main folder holds the store of archives.
        settings: of this machine; only where local archives lie is read.

    Raises:
        MissingFileError: no manifest.
    """
    manifest = read_manifest(root / "data" / "manifest.json")
    return PageSources(
        rows=tuple(_row(row, row_files(row, root)) for row in params.rows),
        manifest=manifest,
        index=root / "data" / "index",
        profiles=root / "profiles",
        archives=lambda: archive_folder(manifest.source, workspace, settings),
    )


def _row(row: str, files: RowFiles) -> RowSource:
    receipt = Receipt.read(files.receipt)
    first, *further = receipt.training_seeds
    paths = {first: files.history} | {seed: files.of_seed(seed).history for seed in further}
    histories = {seed: History.read(path) for seed, path in paths.items() if path.is_file()}
    return RowSource(
        row=row,
        files=files,
        receipt=receipt,
        details=Details.read(files.details),
        histories={seed: history for seed, history in histories.items() if history.epochs},
    )
