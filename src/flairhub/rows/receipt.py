"""The receipt of a row: what made its numbers, down to checksums. Deterministic, so it is an output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flairhub.files import canonical_json, sha256_text
from flairhub.lineage.keys import code_sha256, eval_key, file_sha256, row_key, seed_keys
from flairhub.maps.geotiff import predictions_sha256
from flairhub.records.inputs import RowInputs
from flairhub.records.layout import RowFiles
from flairhub.records.plan import EvaluationPlan

FORMAT = 1


def build_receipt(
    inputs: RowInputs,
    plan: EvaluationPlan,
    files: RowFiles,
    *,
    parameters: int,
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """The receipt of an evaluated row.

    Args:
        inputs: what the row reads.
        plan: how it was evaluated.
        files: the row's files; all but the receipt exist.
        parameters: parameters of the network by the published counting rule.
        environment: see `environment.environment`.
    """
    keys = seed_keys(files.inputs, files.train_code)
    key = row_key(keys)
    weights = file_sha256(files.weights)
    evaluation = plan.evaluation.model_dump(mode="json")
    return {
        "format": FORMAT,
        "row": inputs.row,
        "profile": plan.profile,
        "row_key": key,
        "eval_key": eval_key(key, weights, files.evaluate_code, evaluation),
        "seeds": {str(seed): value for seed, value in keys.items()},
        "inputs_sha256": file_sha256(files.inputs),
        "code_sha256": code_sha256(files.train_code),
        "evaluate_code_sha256": code_sha256(files.evaluate_code),
        "weights_sha256": weights,
        "confusion_sha256": file_sha256(files.confusion),
        "details_sha256": file_sha256(files.details),
        "robustness_sha256": file_sha256(files.robustness),
        "predictions_sha256": predictions_sha256(files.predictions) if evaluation["write_predictions"] else None,
        "further_seeds": {str(seed): _seed_sums(files.of_seed(seed)) for seed in list(keys)[1:]},
        "archives": inputs.archives,
        "split_sha256": {split: sha256_text("\n".join(entries.patch_ids)) for split, entries in inputs.splits.items()},
        "statistics_sha256": sha256_text(
            canonical_json(
                {
                    modality: {band: [moments.mean, moments.std] for band, moments in bands.items()}
                    for modality, bands in inputs.statistics.items()
                }
            )
        ),
        "parameters": parameters,
        "patches": {split: len(entries) for split, entries in inputs.splits.items()},
        "recipe": inputs.recipe.model_dump(mode="json"),
        "evaluation": evaluation,
        "environment": dict(environment),
        "unknown_choices": dict(plan.unknown_choices),
    }


def _seed_sums(files: RowFiles) -> dict[str, str]:
    named = {"weights": files.weights, "confusion": files.confusion, "details": files.details}
    return {f"{name}_sha256": file_sha256(path) for name, path in named.items()}
