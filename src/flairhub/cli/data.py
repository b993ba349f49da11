"""`flairhub data`: versions of the data."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flairhub.project import find_project

if TYPE_CHECKING:
    from flairhub.versions.diff import DataDiff, Names

SHOWN = 12
"""Names printed per list; --json has all."""


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("data", help="versions of the data: what changes between two of them")
    kinds = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    diff = kinds.add_parser(
        "diff",
        help="archives, patches, splits, statistics and rows that change",
        description="Compare the data of two revisions of this repository. Recorded results are compared; for a "
        "revision that has not run, archives come from its source. Nothing runs.",
    )
    diff.add_argument("old", metavar="REV1", help="revision of git, e.g. HEAD or a tag")
    diff.add_argument("new", metavar="REV2", nargs="?", help="revision of git; none: the work tree")
    diff.add_argument("--json", action="store_true", help="print JSON, with every name")
    diff.set_defaults(run=run_diff)


def run_diff(arguments: argparse.Namespace) -> int:
    """Print what changes."""
    from flairhub.cli.sources import note_sources
    from flairhub.lineage.revisions import RevisionFiles
    from flairhub.versions.diff import diff
    from flairhub.versions.version import DataVersion

    project = find_project()
    if arguments.new is None:
        note_sources(project)
    with tempfile.TemporaryDirectory(prefix="flairhub-") as folder:
        old, new = (
            DataVersion(RevisionFiles(project.root, revision, Path(folder, side)))
            for side, revision in (("old", arguments.old), ("new", arguments.new))
        )
        difference = diff(old, new)
    if arguments.json:
        print(json.dumps(_plain(difference), allow_nan=False))
    else:
        print("\n".join(_lines(difference)))
    return 0


def _plain(difference: DataDiff) -> dict[str, Any]:
    """As JSON has it; a shift that is not known is null."""
    plain = asdict(difference)
    if difference.statistics is not None:
        plain["statistics"] = {
            name: None if shift == float("inf") else shift for name, shift in difference.statistics.items()
        }
    return plain


def _lines(difference: DataDiff) -> Iterator[str]:
    yield from _named("archives", difference.archives, "pull")
    for layer, names in (difference.patches or {}).items():
        yield _counted(f"patches of {layer}", names, "with other bytes")
    if difference.patches is None:
        yield "patches: known when the stage index has run"
    elif not difference.patches:
        yield "patches: the same"
    for split, names in (difference.splits or {}).items():
        yield _counted(f"split {split}", names, "from another split")
    if difference.splits is None:
        yield "splits: known when the stage split has run"
    yield from _statistics(difference.statistics)
    rows = difference.rows
    yield _counted("rows", rows, "stale")
    yield from _list("stale", rows.changed)


def _named(what: str, names: Names | None, stage: str) -> Iterator[str]:
    if names is None:
        yield f"{what}: known when the stage {stage} has run"
        return
    yield _counted(what, names, "changed")
    for sign, kind in (("+", names.added), ("-", names.removed), ("~", names.changed)):
        yield from _list(sign, kind)


def _statistics(shifts: dict[str, float] | None) -> Iterator[str]:
    if shifts is None:
        yield "statistics: known when the stage stats has run"
        return
    yield f"statistics: {len(shifts)} bands changed" if shifts else "statistics: the same"
    for name, shift in sorted(shifts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]:
        yield f"  {name}: " + ("on one side only" if shift == float("inf") else f"mean by {shift:.2g} std")


def _counted(what: str, names: Names, changed: str) -> str:
    if not names.all:
        return f"{what}: the same"
    return f"{what}: {len(names.added)} added, {len(names.removed)} removed, {len(names.changed)} {changed}"


def _list(sign: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        yield f"  {sign} {', '.join(names[:SHOWN])}{more}"
