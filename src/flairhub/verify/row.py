"""A row under verification: its files, each read once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flairhub.config.params import Params
from flairhub.lineage.dvc import read_lock
from flairhub.records.code import Fingerprint
from flairhub.records.details import Details
from flairhub.records.inputs import RowInputs, read_inputs
from flairhub.records.layout import RowFiles
from flairhub.records.metrics import RowMetrics
from flairhub.records.receipt import Receipt
from flairhub.records.robustness import Robustness
from flairhub.verify.files import read_cells, read_tables
from flairhub.verify.findings import Evidence, NotRunError

CSV = Path("reports/benchmark.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A row under verification."""

    row: str
    params: Params
    root: Path
    """The repository."""
    files: RowFiles
    evidence: Evidence
    table: Evidence
    """The table and dvc.lock, shared by all rows."""

    def name(self, path: Path) -> str:
        """A file as messages name it."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()

    @property
    def seeds(self) -> dict[int, RowFiles]:
        """Files of each seed; the first is the row's figure."""
        first, *further = self.receipt.training_seeds
        return {first: self.files} | {seed: self.files.of_seed(seed) for seed in further}

    @property
    def receipt(self) -> Receipt:
        """The row's receipt."""
        receipt: Receipt = self.evidence["receipt"]
        return receipt

    @property
    def inputs(self) -> RowInputs:
        """What the row reads."""
        inputs: RowInputs = self.evidence["inputs"]
        return inputs

    @property
    def details(self) -> Details:
        """Every figure of the row."""
        details: Details = self.evidence["details"]
        return details


def row_evidence(files: RowFiles) -> Evidence:
    """Readers of a row's files."""
    return Evidence(
        {
            "receipt": lambda: Receipt.read(files.receipt),
            "details": lambda: Details.read(files.details),
            "metrics": lambda: RowMetrics.read(files.metrics),
            "inputs": lambda: read_inputs(files.inputs),
            "confusion": lambda: read_tables(files.confusion),
            "robustness": lambda: Robustness.read(files.robustness),
            "train code": lambda: Fingerprint.read(files.train_code),
            "evaluate code": lambda: Fingerprint.read(files.evaluate_code),
        }
    )


def table_evidence(root: Path) -> Evidence:
    """Readers of the files that all rows share."""
    return Evidence({"cells": lambda: read_cells(root / CSV), "lock": lambda: read_lock(root)})


def require_weights(subject: Subject, files: RowFiles) -> Path:
    """The weights file.

    Raises:
        NotRunError: it is not on this disk.
    """
    if not files.weights.is_file():
        raise NotRunError(
            f"{subject.name(files.weights)} is not on this disk; `dvc pull {subject.name(subject.files.model)}` "
            "fetches it"
        )
    return files.weights
