"""What the page is made of: the rows' files, the version of the data, where archives lie."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.archives.locate import archive_folder
from flairhub.archives.manifest import Manifest, read_manifest
from flairhub.benchmark.receipt import RowFiles, row_files
from flairhub.config.params import Params
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.files import read_json

HISTORY = "history.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How one training went, epoch by epoch."""

    seed: str
    epochs: tuple[int, ...]
    """Epochs done, from 1."""
    loss: tuple[float | None, ...]
    """Mean training loss."""
    miou: Mapping[str, tuple[float | None, ...]]
    """Task -> mIoU on valid, percent; None for an epoch without validation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSource:
    """Everything that one row left."""

    row: str
    files: RowFiles
    receipt: Mapping[str, Any]
    details: Mapping[str, Any]
    histories: tuple[History, ...]
    """One per seed; none where weights were given."""

    @property
    def examples(self) -> Path:
        """Folder of the predictions that were kept."""
        return self.files.report / "examples"


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
    receipt = read_json(files.receipt)
    tasks, seeds = receipt["recipe"]["tasks"], receipt["recipe"]["seeds"]
    found = {
        seed: files.model / HISTORY if place == 0 else files.model / f"seed-{seed}" / HISTORY
        for place, seed in enumerate(seeds)
    }
    histories = (read_history(path, str(seed), tasks) for seed, path in found.items() if path.is_file())
    return RowSource(
        row=row,
        files=files,
        receipt=receipt,
        details=read_json(files.details),
        histories=tuple(history for history in histories if history.epochs),
    )


def read_history(path: Path, seed: str, tasks: list[str]) -> History:
    """Read a `history.csv`; columns that it does not have are empty."""
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    names = {task: f"valid.{task}.miou" if len(tasks) > 1 else "valid.miou" for task in tasks}
    return History(
        seed=seed,
        epochs=tuple(int(line["epoch"]) + 1 for line in lines),
        loss=tuple(_number(line.get("train_loss")) for line in lines),
        miou={task: tuple(_number(line.get(name)) for line in lines) for task, name in names.items()},
    )


def _number(text: str | None) -> float | None:
    return float(text) if text else None
