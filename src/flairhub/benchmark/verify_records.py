"""Level 0: the records agree. Cells of the table, metrics, details, receipt, dvc.lock and the bytes of the files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.benchmark.keys import code_sha256, eval_key, file_sha256, row_key, seed_keys
from flairhub.benchmark.receipt import FORMAT, RowFiles
from flairhub.benchmark.report import row_result
from flairhub.benchmark.table import build_table
from flairhub.benchmark.table_text import render_csv
from flairhub.benchmark.verify_files import (
    cells_of,
    dvc_md5,
    locked_outputs,
    read_cells,
    read_document,
    read_lock,
    read_row_inputs,
    read_tables,
    seed_files,
)
from flairhub.benchmark.verify_findings import (
    Evidence,
    Mismatch,
    NotRunError,
    Outcome,
    differences,
    relative,
    text_difference,
)
from flairhub.config.params import Params
from flairhub.data.inputs import RowInputs
from flairhub.errors import DataError
from flairhub.evaluation.details import lean_metrics
from flairhub.evaluation.plot_tables import write_plot_tables
from flairhub.files import canonical_json, sha256_text
from flairhub.training.summary import write_summary

CSV = Path("reports/benchmark.csv")
GROUPS = ("oa_group", "miou_group")
"""Columns that depend on all rows of the table; level 1 computes them."""


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
        return {seed: self.files if n == 0 else seed_files(self.files, seed) for n, seed in enumerate(own)}


def row_evidence(files: RowFiles) -> Evidence:
    """Readers of a row's files."""
    return Evidence(
        {
            "receipt": lambda: read_document(files.receipt),
            "details": lambda: read_document(files.details),
            "metrics": lambda: read_document(files.metrics),
            "inputs": lambda: read_row_inputs(files.inputs),
            "confusion": lambda: read_tables(files.confusion),
        }
    )


def table_evidence(root: Path) -> Evidence:
    """Readers of the files that all rows share."""
    return Evidence({"cells": lambda: read_cells(root / CSV), "lock": lambda: read_lock(root)})


def record_checks(subject: Subject) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """The checks of level 0, by name."""
    files = subject.files
    yield "receipt", lambda: _receipt(subject)
    yield "inputs", lambda: _bytes(subject, files.inputs, "inputs_sha256")
    yield "code", lambda: _code(subject)
    yield "weights", lambda: _weights(subject)
    yield "confusion", lambda: _bytes(subject, files.confusion, "confusion_sha256")
    yield "details", lambda: _bytes(subject, files.details, "details_sha256")
    yield "metrics", lambda: _metrics(subject)
    yield "curves", lambda: _curves(subject)
    yield "table", lambda: _cells(subject)
    yield "dvc.lock", lambda: _lock(subject)


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


def _receipt(subject: Subject) -> Outcome:
    """What the receipt says of the row against the row's inputs and code."""
    receipt, inputs = subject.evidence["receipt"], subject.evidence["inputs"]
    files = subject.files
    keys = seed_keys(files.inputs, files.train_code)
    key = row_key(keys)
    expected = {
        "format": FORMAT,
        "row": subject.row,
        "seeds": {str(seed): value for seed, value in keys.items()},
        "row_key": key,
        "eval_key": eval_key(key, receipt["weights_sha256"], files.evaluate_code, dict(receipt["evaluation"])),
        "recipe": inputs.recipe.model_dump(mode="json"),
        "archives": inputs.archives,
        **_of_inputs(inputs),
    }
    found = {name: receipt.get(name) for name in expected}
    return Outcome(
        detail="keys, recipe, archives, splits and statistics are those of the inputs",
        mismatches=list(differences(expected, found, subject.name(files.receipt))),
    )


def _of_inputs(inputs: RowInputs) -> dict[str, Any]:
    """Facts of a receipt that follow from the row's inputs; see `receipt.build_receipt`."""
    moments = {
        modality: {band: [found.mean, found.std] for band, found in bands.items()}
        for modality, bands in inputs.statistics.items()
    }
    return {
        "patches": {split: len(entries) for split, entries in inputs.splits.items()},
        "split_sha256": {
            split: sha256_text("\n".join(entry.patch_id for entry in entries))
            for split, entries in inputs.splits.items()
        },
        "statistics_sha256": sha256_text(canonical_json(moments)),
    }


def _bytes(subject: Subject, path: Path, field: str) -> Outcome:
    """The bytes of a file against the receipt."""
    expected = subject.evidence["receipt"][field]
    if not path.is_file():
        raise DataError(f"{subject.name(path)}: expected a file, but there is none; `dvc pull` or `dvc repro` it.")
    found = file_sha256(path)
    wrong = [] if found == expected else [_hash(subject, path, expected, found)]
    return Outcome(detail=f"{subject.name(path)} has the receipt's SHA-256", mismatches=wrong)


def _code(subject: Subject) -> Outcome:
    receipt = subject.evidence["receipt"]
    wrong = []
    for field, path in (
        ("code_sha256", subject.files.train_code),
        ("evaluate_code_sha256", subject.files.evaluate_code),
    ):
        found = code_sha256(path)
        if found != receipt[field]:
            wrong.append(Mismatch(file=subject.name(path), cell="sha256", expected=str(receipt[field]), found=found))
    return Outcome(detail="fingerprints of the code in data/code are the receipt's", mismatches=wrong)


def _weights(subject: Subject) -> Outcome:
    expected = subject.evidence["receipt"]["weights_sha256"]
    path = require_weights(subject, subject.files)
    found = file_sha256(path)
    wrong = [] if found == expected else [_hash(subject, path, expected, found)]
    return Outcome(detail=f"{subject.name(path)} has the receipt's SHA-256", mismatches=wrong)


def _hash(subject: Subject, path: Path, expected: object, found: str) -> Mismatch:
    return Mismatch(file=subject.name(path), cell="sha256", expected=str(expected), found=found)


def _metrics(subject: Subject) -> Outcome:
    """metrics.json against details.json."""
    found, details = subject.evidence["metrics"], subject.evidence["details"]
    return Outcome(
        detail="metrics.json is what details.json says",
        mismatches=list(differences(lean_metrics(details), found, subject.name(subject.files.metrics))),
    )


def _curves(subject: Subject) -> Outcome:
    """What DVC plots and compares, made again from details.json and from what the training wrote."""
    training = subject.root / "reports" / "training" / subject.row
    with tempfile.TemporaryDirectory(prefix="flairhub-verify-") as name:
        report, summary = Path(name) / "report", Path(name) / "summary"
        write_plot_tables(report, subject.evidence["details"])
        wrong = list(_same_files(subject, report, subject.files.report))
        if not (subject.files.model / "history.csv").is_file():
            model = subject.name(subject.files.model)
            detail = (
                f"files of `dvc plots` are what details.json says; {model} is not on this disk: training not compared"
            )
            return Outcome(detail=detail, mismatches=wrong)
        write_summary(subject.files.model, summary)
        wrong += _same_files(subject, summary, training)
    return Outcome(
        detail="files of `dvc plots` are what details.json, valid.json and history.csv say", mismatches=wrong
    )


def _same_files(subject: Subject, made: Path, stored: Path) -> Iterator[Mismatch]:
    for path in sorted(made.iterdir()):
        other = stored / path.name
        if not other.is_file():
            yield Mismatch(file=subject.name(other), cell="", expected="a file", found="none")
        elif path.read_bytes() != other.read_bytes():
            yield from text_difference(subject.name(other), path.read_text("utf-8"), other.read_text("utf-8"))


def _cells(subject: Subject) -> Outcome:
    """The row's lines of the table against lines made anew from details.json and receipt.json."""
    receipt, _ = subject.evidence["receipt"], subject.evidence["details"]
    lines = [line for line in subject.table["cells"] if line.get("row") == subject.row]
    result = row_result(subject.row, subject.params, subject.files)
    expected = cells_of(render_csv(build_table([result], [subject.row])))
    if [line.get("task") for line in lines] != [line["task"] for line in expected]:
        raise DataError(
            f"{CSV}: expected a line of row {subject.row} for each of {[line['task'] for line in expected]}, "
            f"but found {[line.get('task') for line in lines]}."
        )
    wrong: list[Mismatch] = []
    for one, other in zip(expected, lines, strict=True):
        where = f"{CSV.as_posix()}, line {subject.row} {one['task']}"
        wrong += differences(_without_groups(one), _without_groups(other), where)
    hashes = sum(name in receipt for name in expected[0])
    return Outcome(
        detail=f"{len(expected) * len(expected[0])} cells are those of details.json and receipt.json, "
        f"{hashes} of them checksums and keys",
        mismatches=wrong,
    )


def _without_groups(line: Mapping[str, str]) -> dict[str, str]:
    return {name: cell for name, cell in line.items() if name not in GROUPS}


def _lock(subject: Subject) -> Outcome:
    """What dvc.lock, which git tracks, says of the row's outputs."""
    lock = subject.table["lock"]
    outputs = {
        path: md5
        for stage in ("train", "evaluate")
        for path, md5 in locked_outputs(lock, f"{stage}@{subject.row}").items()
    }
    if not outputs:
        raise NotRunError("dvc.lock does not have the row; `dvc repro` or `dvc commit` notes it")
    present = {path: md5 for path, md5 in outputs.items() if (subject.root / path).exists()}
    wrong = [
        Mismatch(file=path, cell="md5", expected=f"{md5} (dvc.lock)", found=found)
        for path, md5 in present.items()
        if (found := dvc_md5(subject.root / path)) != md5
    ]
    absent = sorted(set(outputs) - set(present))
    detail = f"{len(present)} outputs are those that dvc.lock names"
    return Outcome(detail=f"{detail}; not on this disk: {', '.join(absent)}" if absent else detail, mismatches=wrong)
