"""`flairhub --config FILE_OR_FOLDER`: the reference's command, with its configurations and its names of outputs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flairhub.errors import FlairhubError

if TYPE_CHECKING:
    from flairhub.reference.prepare import Job

OPTIONS = ("--config", "--conf", "--c")
"""Spellings of the option; the first word of a command line that is none of `flairhub`'s own."""

USER, FAILED = 2, 1
"""Exit statuses: a mistake in the configuration or in what it names; a failure while it runs."""


def is_reference(argv: Sequence[str]) -> bool:
    """Whether a command line is the reference's."""
    return bool(argv) and any(argv[0] == option or argv[0].startswith(f"{option}=") for option in OPTIONS)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the reference's command."""
    parser = argparse.ArgumentParser(
        prog="flairhub",
        description="Train, predict and score from a configuration of the reference. docs/migration.md has every key, "
        "what is done otherwise, and the commands of the graph that can do more.",
        allow_abbrev=False,
    )
    parser.add_argument(*OPTIONS, dest="config", type=Path, required=True, metavar="FILE_OR_FOLDER")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key, e.g. hyperparams.batch_size=2, or quirks=true for every defect of the reference",
    )
    parser.add_argument("--root", type=Path, metavar="FOLDER", help="folder that holds the archives of the CSV files")
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run; returns the exit status."""
    arguments = build_parser().parse_args(argv)
    phase = USER
    try:
        from flairhub.reference.folder import read_config
        from flairhub.reference.prepare import prepare

        job = prepare(read_config(arguments.config, arguments.overrides), arguments.root)
        phase = FAILED
        _run(job)
    except FlairhubError as error:
        if arguments.traceback:
            raise
        print(f"flairhub: {error}", file=sys.stderr)
        return phase
    return 0


def _run(job: Job) -> None:
    from flairhub.compute.devices import find_devices
    from flairhub.reference.run import run

    lines: list[str] = []

    def say(text: str) -> None:
        lines.append(text)
        print(text, flush=True)

    first = find_devices(job.settings).rank == 0
    if first:
        for line in _opening(job):
            say(line)
    for task, metrics in run(job, say).items():
        for line in _figures(task, metrics):
            say(line)
        say(f"written to {job.tree.metrics(task)}")
    if first:
        from flairhub.files import write_text

        write_text(job.tree.log, "\n".join(lines) + "\n")


def _opening(job: Job) -> list[str]:
    """What is said once: the run, where it differs from the reference and how to have it back, notes."""
    from flairhub.reference.quirks import QUIRKS

    counts = ", ".join(f"{len(table.ids)} {split}" for split, table in job.tables.items())
    lines = [f"{job.recipe.row}: {', '.join(job.recipe.modalities)} -> {', '.join(job.recipe.tasks)}; {counts} patches"]
    for name, kept in job.relevant.items():
        quirk = QUIRKS[name]
        if kept:
            lines.append(f"as the reference: {quirk.was} (--set quirks.{name}=false: {quirk.now})")
        else:
            lines.append(f"not as the reference: {quirk.now} (--set quirks.{name}=true: {quirk.was})")
    lines += [f"note: {note}" for note in job.notes]
    if job.config.saving.verbose_config:
        import yaml

        lines += yaml.safe_dump(dict(job.config.plain), sort_keys=False, allow_unicode=True).splitlines()
    return lines


def _figures(task: str, metrics: dict[str, Any]) -> list[str]:
    """The figures of a task as a table."""
    from tabulate import tabulate

    names = ("per_class_iou", "per_class_fscore", "per_class_precision", "per_class_recall")
    rows = zip(metrics["classes"], *(metrics[name] for name in names), strict=True)
    table = tabulate(rows, ["class", "IoU", "F-score", "precision", "recall"], floatfmt=".2f")
    means = zip(metrics["Avg_metrics_name"], metrics["Avg_metrics"], strict=True)
    return [task, *table.splitlines(), ", ".join(f"{name} {value:.2f}" for name, value in means)]
