"""A row under verification: its files, each read once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flairhub.config.params import Params
from flairhub.lineage.dvc import read_lock
from flairhub.records.layout import RowFiles
from flairhub.verify.files import read_cells, read_code, read_document, read_row_inputs, read_tables
from flairhub.verify.findings import Evidence, NotRunError, relative

CSV = Path("reports/benchmark.csv")

_RECEIPT: dict[str, type] = {
    **dict.fromkeys(("weights_sha256", "code_sha256", "inputs_sha256", "confusion_sha256", "details_sha256"), str),
    **dict.fromkeys(("recipe", "evaluation", "environment", "further_seeds", "seeds"), dict),
}
"""Fields of a receipt that checks build on."""


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
        return relative(path, self.root)

    @property
    def seeds(self) -> dict[int, RowFiles]:
        """Files of each seed; the first is the row's figure."""
        own = [int(seed) for seed in self.evidence["receipt"]["recipe"]["seeds"]]
        return {seed: self.files if n == 0 else self.files.of_seed(seed) for n, seed in enumerate(own)}


def row_evidence(files: RowFiles) -> Evidence:
    """Readers of a row's files."""
    return Evidence(
        {
            "receipt": lambda: read_document(files.receipt, _RECEIPT),
            "details": lambda: read_document(files.details, {"tasks": dict}),
            "metrics": lambda: read_document(files.metrics, {"test": dict}),
            "inputs": lambda: read_row_inputs(files.inputs),
            "confusion": lambda: read_tables(files.confusion),
            "robustness": lambda: read_document(files.robustness, {"variants": list}),
            "train code": lambda: read_code(files.train_code),
            "evaluate code": lambda: read_code(files.evaluate_code),
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
