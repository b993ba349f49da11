"""`flairhub verify`: whether the table is what its data, code and weights make."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from flairhub.verify.findings import LEVELS, Finding

UNCHECKED = 3
"""Exit status: nothing is wrong, but something that was asked for could not be run."""

_WORDS = {"passed": "passed", "failed": "FAILED", "not run": "NOT RUN", "does not apply": "n/a"}
_EXPLAINED = (
    "level 0 (records): cells of the table, metrics, details, receipt, dvc.lock and checksums of the files agree. "
    "level 1 (figures): every figure again from the confusion of every patch. "
    "level 2 (inference): the weights repeat the confusion of some test regions. "
    "level 3 (retraining): data, code and seed give the same weights; takes as long as training. "
    f"Exit status: 0 all passed, 1 something failed, {UNCHECKED} level 2 or 3 was asked for and could not be run."
)


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "verify", help="prove that the table is what data, code and weights make", description=_EXPLAINED
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows of params.yaml; none: all")
    parser.add_argument("--level", type=int, choices=range(4), default=1, help="with all levels below it (default 1)")
    parser.add_argument("--rois", type=int, default=3, metavar="K", help="level 2: regions per row, 0: all (default 3)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="level 2: seed of their choice (default 0)")
    parser.add_argument(
        "--agreement",
        type=float,
        default=0.999,
        metavar="SHARE",
        help="level 2: share of pixels that must agree on another class of device (default 0.999)",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1.0,
        metavar="POINTS",
        help="level 3: points by which OA and mIoU on valid may differ on another class of device (default 1)",
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        metavar="FOLDER",
        help="level 3: keep the training's state here, to go on if interrupted",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Verify, print a line per row and check, and sum up."""
    from flairhub.project import find_project
    from flairhub.verify.options import VerifyOptions
    from flairhub.verify.verify import verify

    names = ("level", "rois", "seed", "agreement", "tolerance", "scratch")
    options = VerifyOptions(**{name: getattr(arguments, name) for name in names})
    project = find_project()
    settings = project.settings
    rows = list(dict.fromkeys(arguments.rows or project.params.rows))
    findings = verify(project.params, project.workspace, settings, options, arguments.rows)
    kept = list(_shown(findings, len(rows), progress=settings.progress and options.level >= 2))
    for line in _summary(kept, len(rows), options.level):
        print(line)
    return _status(kept)


def _shown(findings: Iterable[Finding], rows: int, *, progress: bool) -> Iterator[Finding]:
    """Print findings as they come, above a bar over the rows."""
    from tqdm import tqdm

    last = None
    with tqdm(total=rows, desc="verify", unit="row", disable=not progress) as bar:
        for finding in findings:
            if last not in {None, finding.row}:
                bar.update()
            last = finding.row
            for line in _lines(finding):
                bar.write(line)
            yield finding


def _lines(finding: Finding) -> Iterator[str]:
    level = f"{finding.level} {LEVELS[finding.level]}"
    yield f"{finding.row:8} {level:12} {finding.check:12} {_WORDS[finding.status]:7} {finding.detail}"
    for mismatch in finding.mismatches:
        yield f"{'':9}{mismatch}"


def _summary(findings: list[Finding], rows: int, level: int) -> Iterator[str]:
    counts = Counter(finding.status for finding in findings)
    yield (
        f"\n{rows} rows, {len(findings)} checks: {counts['passed']} passed, {counts['failed']} failed, "
        f"{counts['not run']} not run, {counts['does not apply']} not applicable."
    )
    for higher in range(level + 1, len(LEVELS)):
        yield f"level {higher} ({LEVELS[higher]}) not run: --level {higher} asks for it."


def _status(findings: list[Finding]) -> int:
    if any(finding.status == "failed" for finding in findings):
        return 1
    return UNCHECKED if any(finding.status == "not run" and finding.level >= 2 for finding in findings) else 0
