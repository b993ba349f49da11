"""The receipt of a row: what made its numbers, down to checksums. Deterministic, so it is an output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flairhub.benchmark.evaluation_plan import EvaluationPlan
from flairhub.benchmark.keys import code_sha256, eval_key, file_sha256, row_key, seed_keys
from flairhub.data.inputs import RowInputs
from flairhub.evaluation.predictions import predictions_sha256
from flairhub.files import canonical_json, sha256_text

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFiles:
    """Files of a row, relative to the repository."""

    inputs: Path
    plan: Path
    """How it is evaluated."""
    model: Path
    report: Path
    predictions: Path
    """Predicted class map of every test patch, if `evaluate.write_predictions`; no output of the graph."""
    train_code: Path
    evaluate_code: Path

    @property
    def weights(self) -> Path:
        """The row's weights."""
        return self.model / "model.safetensors"

    @property
    def confusion(self) -> Path:
        """The row's confusion."""
        return self.report / "confusion.parquet"

    @property
    def details(self) -> Path:
        """Every figure of the row."""
        return self.report / "details.json"

    @property
    def metrics(self) -> Path:
        """The lean metrics."""
        return self.report / "metrics.json"

    @property
    def examples(self) -> Path:
        """Predicted class maps of a few test patches."""
        return self.report / "examples"

    @property
    def robustness(self) -> Path:
        """Figures with less input."""
        return self.report / "robustness.json"

    @property
    def seeds(self) -> Path:
        """Figures of the further seeds."""
        return self.report / "seeds"

    def of_seed(self, seed: int) -> RowFiles:
        """The files of a further seed: its own weights, confusion, details and metrics."""
        return replace(self, model=self.model / f"seed-{seed}", report=self.seeds / str(seed))

    @property
    def receipt(self) -> Path:
        """The receipt."""
        return self.report / "receipt.json"


def row_files(row: str, root: Path = Path()) -> RowFiles:
    """Where a row's files lie under the repository."""
    return RowFiles(
        inputs=root / "data" / "inputs" / f"{row}.json",
        plan=root / "data" / "evaluations" / f"{row}.json",
        model=root / "models" / row,
        report=root / "reports" / "rows" / row,
        predictions=root / "predictions" / row,
        train_code=root / "data" / "code" / "train.json",
        evaluate_code=root / "data" / "code" / "evaluate.json",
    )


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
        "split_sha256": {
            split: sha256_text("\n".join(entry.patch_id for entry in entries))
            for split, entries in inputs.splits.items()
        },
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
