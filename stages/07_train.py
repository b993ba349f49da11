"""train ROW: train the row's network, or fetch its weights, into models/ROW.

Resumable: state lies under .flairhub/train/, outside every output; a finished training is never repeated.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _stage import run

from flairhub.benchmark.keys import seed_keys
from flairhub.config.runtime import read_settings
from flairhub.config.workspace import find_workspace
from flairhub.training.row import train_row

CODE = Path("data/code/train.json")


def main(arguments: argparse.Namespace) -> None:
    workspace = find_workspace()
    inputs = Path("data/inputs") / f"{arguments.row}.json"
    train_row(
        inputs,
        seed_keys(inputs, CODE),
        Path("models") / arguments.row,
        manifest=Path("data/manifest.json"),
        workspace=workspace,
        settings=read_settings(workspace),
    )


if __name__ == "__main__":
    run(main, __doc__, row=True)
