"""Level 1: every figure again from the confusion of every patch, and the whole table from all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from flairhub.config.base import build
from flairhub.config.params import Params
from flairhub.config.resolve import row_evaluation
from flairhub.config.training import EvaluateParams
from flairhub.evaluation.confusion import ConfusionTable
from flairhub.evaluation.details import build_details, row_metrics, scored_tasks
from flairhub.evaluation.spread import with_spread
from flairhub.records.details import Details
from flairhub.records.layout import RowFiles
from flairhub.records.metrics import RowMetrics
from flairhub.report.build import build_report
from flairhub.report.text import render_csv, render_markdown
from flairhub.verify.files import cells_of, dvc_md5, locked_outputs, read_tables
from flairhub.verify.findings import Evidence, Mismatch, NotRunError, Outcome, differences, text_difference
from flairhub.verify.row import CSV, Subject


def figure_checks(subject: Subject) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """The checks of level 1, by name."""
    yield "figures", lambda: _figures(subject)
    yield "seeds", lambda: _seeds(subject)


def table_checks(
    params: Params, root: Path, table: Evidence, level: int, rows: Mapping[str, Evidence]
) -> Iterator[tuple[int, str, Callable[[], Outcome]]]:
    """Level, name and check of what concerns all rows.

    Args:
        params: all parameters.
        root: the repository.
        table: from `verify_records.table_evidence`.
        level: highest level to run.
        rows: row -> its files, of the rows that were verified.
    """
    yield 0, "rows", lambda: _rows(params, table)
    yield 0, "dvc.lock", lambda: _lock(root, table)
    if level >= 1:
        yield 1, "table", lambda: _table(params, root, table, rows)


def recomputed(subject: Subject, tables: Mapping[str, ConfusionTable]) -> Details:
    """The details from confusion tables, without what comes from further seeds."""
    inputs = subject.inputs
    expected = inputs.splits["test"].patch_ids
    return build_details(subject.row, scored_tasks(inputs, tables), expected, evaluation_params(subject))


def evaluation_params(subject: Subject) -> EvaluateParams:
    """The receipt's parameters of the evaluation; one that is younger than the receipt is that of params.yaml."""
    known = row_evaluation(subject.params, subject.row).model_dump(mode="json")
    values = {**known, **subject.receipt.evaluation}
    return build(EvaluateParams, values, "receipt.json: evaluation")


def _figures(subject: Subject) -> Outcome:
    """details.json from the confusion of the row and, for their spread, of its further seeds."""
    own = recomputed(subject, subject.evidence["confusion"])
    seeds = subject.seeds
    further = {seed: recomputed(subject, read_tables(files.confusion)) for seed, files in list(seeds.items())[1:]}
    again = with_spread({next(iter(seeds)): own, **further}).values()
    return Outcome(
        detail=f"{_leaves(again)} figures, intervals and breakdowns follow from the confusion exactly",
        mismatches=list(differences(again, subject.details.values(), subject.name(subject.files.details))),
    )


def _seeds(subject: Subject) -> Outcome:
    """The figures of each further seed from its own confusion."""
    further = list(subject.seeds.values())[1:]
    wrong = [mismatch for files in further for mismatch in _one_seed(subject, files)]
    return Outcome(
        detail=f"figures of {len(further)} further seeds follow from their confusion exactly",
        mismatches=wrong,
        applies=bool(further),
    )


def _one_seed(subject: Subject, files: RowFiles) -> Iterator[Mismatch]:
    again = recomputed(subject, read_tables(files.confusion))
    yield from differences(again.values(), Details.read(files.details).values(), subject.name(files.details))
    yield from differences(
        row_metrics(again).values(), RowMetrics.read(files.metrics).values(), subject.name(files.metrics)
    )


def _rows(params: Params, table: Evidence) -> Outcome:
    found = list(dict.fromkeys(line.get("row") for line in table["cells"]))
    wanted = list(params.rows)
    wrong = [Mismatch(file=CSV.as_posix(), cell="row", expected=", ".join(wanted), found=", ".join(map(str, found)))]
    return Outcome(
        detail=f"{CSV} has the {len(wanted)} rows of params.yaml, in their order",
        mismatches=[] if found == wanted else wrong,
    )


def _lock(root: Path, table: Evidence) -> Outcome:
    outputs = locked_outputs(table["lock"], "benchmark")
    if not outputs:
        raise NotRunError("dvc.lock does not have the table; `dvc repro` notes it")
    found = {path: dvc_md5(root / path) if (root / path).exists() else "no file" for path in outputs}
    wrong = [
        Mismatch(file=path, cell="md5", expected=f"{md5} (dvc.lock)", found=found[path])
        for path, md5 in outputs.items()
        if found[path] != md5
    ]
    return Outcome(detail=f"{len(outputs)} outputs of the table are those that dvc.lock names", mismatches=wrong)


def _table(params: Params, root: Path, table: Evidence, rows: Mapping[str, Evidence]) -> Outcome:
    """The three renderings again from details, receipts and confusions of all rows, groups included."""
    missing = [row for row in params.rows if row not in rows]
    if missing:
        raise NotRunError(
            f"groups of rows compare all rows, {len(missing)} of which were not asked for; `flairhub verify` without "
            "rows does it"
        )
    broken = [row for row, evidence in rows.items() if not all(map(evidence.readable, ("receipt", "confusion")))]
    if broken:
        raise NotRunError(f"the table needs all rows, but files of {', '.join(broken)} could not be read, see above")
    again = build_report(params, root)
    wrong = list(_cell_differences(cells_of(render_csv(again)), table["cells"]))
    path = CSV.with_suffix(".md")
    wrong += text_difference(path.as_posix(), render_markdown(again), (root / path).read_text(encoding="utf-8"))
    return Outcome(
        detail=f"{len(again.lines)} lines with groups, made again from the rows, are benchmark.csv and .md",
        mismatches=wrong,
    )


def _cell_differences(expected: Sequence[dict[str, str]], found: Sequence[dict[str, str]]) -> Iterator[Mismatch]:
    if len(expected) != len(found):
        yield Mismatch(file=CSV.as_posix(), cell="lines", expected=str(len(expected)), found=str(len(found)))
        return
    for one, other in zip(expected, found, strict=True):
        yield from differences(one, other, f"{CSV.as_posix()}, line {one['row']} {one['task']}")


def _leaves(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(map(_leaves, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_leaves, value))
    return 1
