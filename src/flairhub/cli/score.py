"""`flairhub score`: every figure of a row from written predictions, without its network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "score",
        help="figures of written predictions",
        description="Score class maps that were written before (`evaluate.write_predictions: true`, or by another "
        "program: FOLDER/TASK/DOMAIN/ROI/PRED_<patch>.tif) against the labels of a row's test split. Runs no network.",
    )
    parser.add_argument("row", help="row identifier, e.g. LC-A")
    parser.add_argument("--predictions", type=Path, metavar="FOLDER", help="default: predictions/ROW")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON, as in details.json")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score and print."""
    from flairhub.config.resolve import row_evaluation
    from flairhub.project import find_project
    from flairhub.records.details import two_decimals
    from flairhub.records.inputs import read_inputs
    from flairhub.records.layout import row_files
    from flairhub.rows.score import score_predictions

    project, files = find_project(), row_files(arguments.row)
    evaluation = row_evaluation(project.params, arguments.row)
    folder: Path = arguments.predictions or files.predictions
    inputs, progress = read_inputs(files.inputs), project.settings.progress
    details = score_predictions(inputs, folder, project.reader(), evaluation, progress=progress)
    for task, task_details in details.tasks.items():
        figures = task_details.published
        print(
            f"{arguments.row} {task}: O.A. {two_decimals(figures.oa)}, mIoU {two_decimals(figures.miou)} "
            f"({details.n_scored} patches)"
        )
    if arguments.out is not None:
        details.write(arguments.out)
        print(arguments.out)
    return 0
