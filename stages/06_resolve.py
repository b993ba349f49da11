"""resolve: everything that each row reads, and nothing else, into data/inputs/ROW.json.

How a row is evaluated is in data/evaluations/ROW.json, apart from what it trains on.
Weights that a row is given are found here, or fetched; name and checksum of the file enter the row's inputs.
Statistics are merged over the patches that the row trains on: over the whole training split they are those of
data/stats. How many patches a row uses and leaves out is in data/inputs/summary.json.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from _stage import run
from flairhub.audit.valid import read_valid
from flairhub.config.reader import read_params
from flairhub.config.runtime import read_settings
from flairhub.config.workspace import find_workspace
from flairhub.facts.stats import Statistics
from flairhub.files import write_json
from flairhub.records.inputs import BandStatistics, write_inputs
from flairhub.records.manifest import read_manifest
from flairhub.records.plan import evaluation_plan, write_plan
from flairhub.rows.resolve import load_facts, resolve_row
from flairhub.weights.given import given_weights

INDEX, VALID, SPLITS = Path("data/index"), Path("data/audit/valid.parquet"), Path("data/splits")
DESTINATION, EVALUATIONS = Path("data/inputs"), Path("data/evaluations")


def main(_: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    workspace = find_workspace()
    progress = read_settings(workspace).progress
    params = read_params(Path("params.yaml"))
    archives = {entry.name: entry.sha256 for entry in read_manifest(Path("data/manifest.json")).archives}
    facts = load_facts(params, INDEX, VALID, SPLITS, archives)
    merged = Statistics(INDEX, read_valid(VALID), params.stats, params.preprocessing.filter_sentinel2)

    def computed(modality: str, patches: Sequence[str]) -> dict[str, BandStatistics]:
        found = merged.of(modality, patches)
        found.require_counted()
        return {band: BandStatistics(mean=each.mean, std=each.std) for band, each in found.bands.items()}

    summary = {}
    for row, settings in params.rows.items():
        given = given_weights(row, settings.weights, workspace, progress=progress)
        inputs, resolution = resolve_row(params, row, facts, computed, given)
        write_inputs(DESTINATION / f"{row}.json", inputs)
        write_plan(EVALUATIONS / f"{row}.json", evaluation_plan(params, row))
        summary[row] = asdict(resolution)
    write_json(DESTINATION / "summary.json", summary)
    left_out = {row: sum(found["left_out"].values()) for row, found in summary.items()}
    print(f"resolve: {len(summary)} rows; patches left out: {sum(left_out.values())}")


if __name__ == "__main__":
    run(main, __doc__)
