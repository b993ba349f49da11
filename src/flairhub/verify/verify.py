"""Verification of rows: every level with those below it, one typed finding per row and check.

0 records: table, metrics, details, receipt, dvc.lock and the bytes of the files agree.
1 figures: every figure follows from the confusion of every patch; groups and renderings follow from all rows.
2 inference: the weights repeat the stored confusion on some regions.
3 retraining: data, code and seed give the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from flairhub.config.params import Params
from flairhub.config.resolve import row_params
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.records.layout import row_files
from flairhub.verify.findings import TABLE, Evidence, Finding, Outcome, run_check
from flairhub.verify.options import VerifyOptions
from flairhub.verify.recompute import figure_checks, table_checks
from flairhub.verify.records import record_checks
from flairhub.verify.row import Subject, row_evidence, table_evidence


def verify(
    params: Params,
    workspace: Workspace,
    settings: RuntimeSettings,
    options: VerifyOptions,
    rows: Sequence[str] = (),
) -> Iterator[Finding]:
    """Verify rows of the table; findings come as they are made.

    Args:
        params: all parameters.
        workspace: the repository, and where its archives lie.
        settings: device and progress bars.
        options: how far to go.
        rows: rows of the parameters; none: all.

    Raises:
        ConfigurationError: a row is not in the parameters.
    """
    for row in rows:
        row_params(params, row)  # refuses one that is not there
    table = table_evidence(workspace.root)
    seen: dict[str, Evidence] = {}
    for row in dict.fromkeys(rows or params.rows):
        files = row_files(row, workspace.root)
        seen[row] = row_evidence(files)
        subject = Subject(row=row, params=params, root=workspace.root, files=files, evidence=seen[row], table=table)
        for level, name, action in _checks(subject, workspace, settings, options):
            yield run_check(row, level, name, action)
    for level, name, action in table_checks(params, workspace.root, table, options.level, seen):
        yield run_check(TABLE, level, name, action)


def _checks(
    subject: Subject, workspace: Workspace, settings: RuntimeSettings, options: VerifyOptions
) -> Iterator[tuple[int, str, Callable[[], Outcome]]]:
    for name, action in record_checks(subject):
        yield 0, name, action
    if options.level >= 1:
        for name, action in figure_checks(subject):
            yield 1, name, action
    if options.level >= 2:
        yield from _slow_checks(subject, workspace, settings, options)


def _slow_checks(
    subject: Subject, workspace: Workspace, settings: RuntimeSettings, options: VerifyOptions
) -> Iterator[tuple[int, str, Callable[[], Outcome]]]:
    from flairhub.verify.inference import repeat_inference, repeat_robustness

    receipt = subject.evidence.readable("receipt")
    seeds = list(subject.seeds) if receipt else [0]
    for seed in seeds:
        name = "inference" if len(seeds) == 1 else f"inference seed {seed}"
        yield 2, name, partial(repeat_inference, subject, seed, options, workspace, settings)
    yield 2, "robustness", partial(repeat_robustness, subject, options, workspace, settings)
    if options.level >= 3:
        from flairhub.verify.training import repeat_training

        yield 3, "retraining", partial(repeat_training, subject, options, workspace, settings)
