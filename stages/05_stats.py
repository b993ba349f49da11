"""stats: band statistics of the training patches into data/stats, beside the two published sets."""

from __future__ import annotations

import argparse
from pathlib import Path

from _stage import run
from flairhub.audit.valid import read_valid
from flairhub.config.reader import parse_params
from flairhub.facts.stats import Statistics, write_statistics
from flairhub.splits.table import read_split_table


def main(arguments: argparse.Namespace) -> None:
    params = parse_params(arguments.params, "params.yaml")
    valid = read_valid(Path("data/audit/valid.parquet"))
    train = read_split_table(Path("data/splits/train.csv"))
    statistics = Statistics(Path("data/index"), valid, params.stats, params.preprocessing.filter_sentinel2)
    for modality in statistics.modalities:
        write_statistics(Path("data/stats"), statistics.of(modality, train))


if __name__ == "__main__":
    run(main, __doc__)
