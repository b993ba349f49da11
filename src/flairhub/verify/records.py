"""Level 0: the records agree. Cells of the table, metrics, details, receipt, dvc.lock and the bytes of the files."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from flairhub.errors import DataError
from flairhub.evaluation.details import row_metrics
from flairhub.evaluation.plot_tables import write_plot_tables
from flairhub.lineage.keys import eval_key, row_key, seed_keys
from flairhub.records.receipt import split_sizes, split_sums, statistics_sum
from flairhub.report.build import row_result
from flairhub.report.results import HASHES
from flairhub.report.table import build_table
from flairhub.report.text import render_csv
from flairhub.training.summary import write_summary
from flairhub.verify.bytes import byte_checks
from flairhub.verify.files import cells_of, dvc_md5, locked_outputs
from flairhub.verify.findings import Mismatch, NotRunError, Outcome, differences, text_difference
from flairhub.verify.row import CSV, Subject

GROUPS = ("oa_group", "miou_group")
"""Columns that depend on all rows of the table; level 1 computes them."""


def record_checks(subject: Subject) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """The checks of level 0, by name."""
    yield "receipt", lambda: _receipt(subject)
    yield from byte_checks(subject)
    yield "metrics", lambda: _metrics(subject)
    yield "curves", lambda: _curves(subject)
    yield "table", lambda: _cells(subject)
    yield "dvc.lock", lambda: _lock(subject)


def _receipt(subject: Subject) -> Outcome:
    """What the receipt says of the row against the row's inputs and code."""
    receipt, inputs = subject.receipt, subject.inputs
    files = subject.files
    _ = subject.evidence["train code"], subject.evidence["evaluate code"]  # whose readers name the file
    keys = seed_keys(files.inputs, files.train_code)
    key = row_key(keys)
    again = dataclasses.replace(
        receipt,
        row=subject.row,
        seeds=keys,
        row_key=key,
        eval_key=eval_key(key, receipt.weights_sha256, files.evaluate_code, dict(receipt.evaluation)),
        recipe=inputs.recipe.model_dump(mode="json"),
        archives=inputs.archives,
        patches=split_sizes(inputs),
        split_sha256=split_sums(inputs),
        statistics_sha256=statistics_sum(inputs),
    )
    return Outcome(
        detail="keys, recipe, archives, splits and statistics are those of the inputs",
        mismatches=list(differences(again.values(), receipt.values(), subject.name(files.receipt))),
    )


def _metrics(subject: Subject) -> Outcome:
    """metrics.json against details.json."""
    found = subject.evidence["metrics"].values()
    return Outcome(
        detail="metrics.json is what details.json says",
        mismatches=list(differences(row_metrics(subject.details).values(), found, subject.name(subject.files.metrics))),
    )


def _curves(subject: Subject) -> Outcome:
    """What DVC plots and compares, made again from details.json and from what the training wrote."""
    with tempfile.TemporaryDirectory(prefix="flairhub-verify-") as name:
        report, summary = Path(name) / "report", Path(name) / "summary"
        write_plot_tables(report, subject.details)
        wrong = list(_same_files(subject, report, subject.files.report))
        if not subject.files.history.is_file():
            model = subject.name(subject.files.model)
            detail = (
                f"files of `dvc plots` are what details.json says; {model} is not on this disk: training not compared"
            )
            return Outcome(detail=detail, mismatches=wrong)
        write_summary(subject.files.model, summary)
        wrong += _same_files(subject, summary, subject.files.training)
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
    _ = subject.receipt, subject.details
    lines = [line for line in subject.table["cells"] if line.get("row") == subject.row]
    result = row_result(subject.row, subject.params, subject.files)
    expected = cells_of(render_csv(build_table([result])))
    if [line.get("task") for line in lines] != [line["task"] for line in expected]:
        raise DataError(
            f"{CSV}: expected a line of row {subject.row} for each of {[line['task'] for line in expected]}, "
            f"but found {[line.get('task') for line in lines]}."
        )
    wrong: list[Mismatch] = []
    for one, other in zip(expected, lines, strict=True):
        where = f"{CSV.as_posix()}, line {subject.row} {one['task']}"
        wrong += differences(_without_groups(one), _without_groups(other), where)
    hashes = sum(name in HASHES for name in expected[0])
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
