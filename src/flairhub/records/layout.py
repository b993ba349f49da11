"""Where the files of a row lie."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

WEIGHTS, HISTORY, VALID = "model.safetensors", "history.csv", "valid.json"
"""Files of a trained row, and of one that is given weights."""
STEPS = "steps.csv"
"""The loss over optimiser steps, of a trained row only."""
PROBE = "probe.json"
"""What the network answers to one batch, of a trained row only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFiles:
    """Files of a row, relative to the repository."""

    inputs: Path
    plan: Path
    """How it is evaluated."""
    model: Path
    report: Path
    training: Path
    """What DVC compares of its (first) training."""
    costs: Path
    """Times, memory, energy, host, git; no output of the graph."""
    predictions: Path
    """Predicted class map of every test patch, if `evaluate.write_predictions`; no output of the graph."""
    train_code: Path
    evaluate_code: Path

    @property
    def weights(self) -> Path:
        """The row's weights."""
        return self.model / WEIGHTS

    @property
    def history(self) -> Path:
        """Its training, epoch by epoch."""
        return self.model / HISTORY

    @property
    def steps(self) -> Path:
        """The loss over optimiser steps; absent where weights were given."""
        return self.model / STEPS

    @property
    def probe(self) -> Path:
        """What its network answers to one batch; absent where weights were given."""
        return self.model / PROBE

    @property
    def valid(self) -> Path:
        """Figures on the validation split."""
        return self.model / VALID

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
        """The few figures that DVC compares."""
        return self.report / "metrics.json"

    @property
    def examples(self) -> Path:
        """Predicted class maps of a few test patches."""
        return self.report / "examples"

    @property
    def examples_list(self) -> Path:
        """Which patches these are."""
        return self.examples / "examples.json"

    @property
    def robustness(self) -> Path:
        """Figures with less input."""
        return self.report / "robustness.json"

    @property
    def seeds(self) -> Path:
        """Figures of the further seeds."""
        return self.report / "seeds"

    @property
    def seeds_list(self) -> Path:
        """Which seeds these are."""
        return self.seeds / "seeds.json"

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
        training=root / "reports" / "training" / row,
        costs=root / "runs" / row / "volatile.json",
        predictions=root / "predictions" / row,
        train_code=root / "data" / "code" / "train.json",
        evaluate_code=root / "data" / "code" / "evaluate.json",
    )
