"""resolve: everything that each row reads, and nothing else, into data/inputs/ROW.json.

How a row is evaluated is in data/evaluations/ROW.json, apart from what it trains on.
Weights that a row is given are found here, or fetched; name and checksum of the file enter the row's inputs, and so
does the checksum of weights that its encoders start from. Both kinds lie in data/weights afterwards, outside every
output, so that training needs no network. Files of the user are noted in data/sources/weights.json.
Statistics are merged over the patches that the row trains on: over the whole training split they are those of
data/stats. How many patches a row uses, and how many it leaves out and why, is in data/inputs/summary.json; the receipt
repeats it, and the policies of the checks that found something in what the row reads.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from _stage import run
from flairhub.archives.checksums import checksums_of
from flairhub.config.reader import parse_params
from flairhub.config.recipe import IMAGENET, Recipe
from flairhub.config.resolve import row_recipe
from flairhub.files import read_json
from flairhub.project import MANIFEST, Project
from flairhub.records.inputs import row_layers
from flairhub.records.listings import WEIGHTS, read_weights, write_weights
from flairhub.records.plan import evaluation_plan, write_plan
from flairhub.records.resolution import InputsSummary
from flairhub.rows.losses import losses_table, policies, without_empty
from flairhub.rows.resolved import GraphFiles, Resolver
from flairhub.weights.encoders import encoder_path, encoder_sha256
from flairhub.weights.imagenet_store import keep_imagenet
from flairhub.weights.noted import list_weights
from flairhub.weights.weights_file import WeightsFile, row_weights_file

AUDIT = Path("data/audit/report.json")
DESTINATION, EVALUATIONS = Path("data/inputs"), Path("data/evaluations")
FILES = GraphFiles(
    manifest=MANIFEST,
    index=Path("data/index"),
    valid=Path("data/audit/valid.parquet"),
    splits=Path("data/splits"),
    code=Path("data/code/resolve.json"),
)


def main(arguments: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    project = Project(Path())
    workspace, progress = project.workspace, project.settings.progress
    params = parse_params(arguments.params, "params.yaml")
    checksums, kept = checksums_of(workspace), workspace.state / "resolve"
    resolver = Resolver(params=params, files=FILES, kept=kept, facts_sha256=FILES.sha256(checksums))
    plain = params.model_dump(mode="json")

    def weights_of(row: str) -> WeightsFile | None:
        return row_weights_file(row, params.rows[row].weights, workspace, progress=progress)

    def encoder(recipe: Recipe) -> str | None:
        sha256 = encoder_sha256(recipe, encoder_path(plain, recipe.row, workspace), checksums, kept)
        mono = recipe.model.mono
        if sha256 is not None and mono is not None and mono.encoder_weights == IMAGENET:
            keep_imagenet(mono.arch, mono.decoder_options, workspace)
        return sha256

    audit = read_json(AUDIT)
    summary = InputsSummary(rows=resolver.resolve(weights_of, encoder, DESTINATION))
    for row in params.rows:
        found = policies(audit, row_layers(row_recipe(params, row)))
        plan = evaluation_plan(params, row, left_out=without_empty(summary.rows[row].why), audit=found)
        write_plan(EVALUATIONS / f"{row}.json", plan)
    summary.write(DESTINATION / "summary.json")
    write_weights(WEIGHTS, list_weights(params, workspace, checksums, read_weights(WEIGHTS)))
    left_out = sum(sum(counts.left_out.values()) for counts in summary.rows.values())
    print(f"resolve: {len(summary.rows)} rows; patches left out: {left_out}")
    print(losses_table(summary.rows))


if __name__ == "__main__":
    run(main, __doc__)
