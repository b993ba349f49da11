"""A training interrupted at any checkpoint, any number of times, is the training that was not interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.world import SETTINGS, small_row

from flairhub.archives.reader import PatchReader
from flairhub.compute.devices import find_devices
from flairhub.records.inputs import RowInputs
from flairhub.training.runner import Trained, fit

torch.set_num_threads(1)

# four training patches: two optimiser steps per epoch
PLAIN: dict[str, Any] = {"global_batch_size": 2, "epochs": 3, "threads": 1, "validate_every": 1}
CASES: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "ends inside an epoch": {**PLAIN, "max_steps": 3},
    "stops early": {**PLAIN, "epochs": 8, "learning_rate": 1e-12, "early_stopping_patience": 1},
    "accumulates": {**PLAIN, "epochs": 2, "global_batch_size": 4, "accumulate": 2},
    "validates seldom": {**PLAIN, "validate_every": 2},
}

ALL = [pytest.param(name, marks=() if name == "plain" else pytest.mark.slow) for name in CASES]


class Killed(BaseException):
    """Nothing catches it."""


@dataclass(kw_only=True)
class Interrupter:
    """Interrupts before the n-th checkpoint is put into its place; counts them."""

    at: int | None = None
    seen: int = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        replace = Path.replace

        def counted(path: Path, target: Path) -> Path:
            if Path(target).name == "last.ckpt":
                self.seen += 1
                if self.seen == self.at:
                    raise Killed
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", counted)


@dataclass(frozen=True, kw_only=True)
class Training:
    inputs: RowInputs
    archives: Path
    interrupter: Interrupter

    def run(self, folder: Path, kill_at: int | None = None) -> Trained:
        folder.mkdir(exist_ok=True)
        self.interrupter.at, self.interrupter.seen = kill_at, 0
        settings = SETTINGS.model_copy(update={"checkpoint_seconds": 0.0})
        return fit(
            self.inputs,
            PatchReader(self.archives),
            settings,
            find_devices(settings),
            checkpoint=folder / "last.ckpt",
            best=folder / "best.pt",
        )

    def interrupted(self, folder: Path, *kills: int) -> Trained:
        for kill_at in kills:
            with pytest.raises(Killed):
                self.run(folder, kill_at)
        return self.run(folder)


@pytest.fixture
def training(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    row = small_row(tmp_path / "row", ("AERIAL_RGBI",), train=CASES[request.param])
    interrupter = Interrupter()
    interrupter.install(monkeypatch)
    return Training(inputs=row.row.inputs, archives=row.archives, interrupter=interrupter)


def same(one: Trained, other: Trained) -> bool:
    states = one.network.state_dict(), other.network.state_dict()
    return (
        one.progress.curve == other.progress.curve
        and one.progress.state() == other.progress.state()
        and all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    )


@pytest.mark.parametrize("training", ALL, indirect=True)
def test_an_interruption_at_any_checkpoint_changes_nothing(training: Training, tmp_path: Path) -> None:
    whole = training.run(tmp_path / "whole")
    checkpoints = training.interrupter.seen
    assert checkpoints >= 2
    for kill_at in range(1, checkpoints + 1):
        assert same(training.interrupted(tmp_path / f"at{kill_at}", kill_at), whole), kill_at


@pytest.mark.parametrize("training", ALL, indirect=True)
def test_a_training_that_was_over_makes_no_further_step(training: Training, tmp_path: Path) -> None:
    """Interrupted after its last checkpoint, before its result was collected."""
    whole = training.run(tmp_path / "state")
    again = training.run(tmp_path / "state")
    assert training.interrupter.seen == 0
    assert same(again, whole)


@pytest.mark.parametrize("training", ["plain"], indirect=True)
def test_one_interruption_after_the_other_changes_nothing(training: Training, tmp_path: Path) -> None:
    whole = training.run(tmp_path / "whole")
    assert same(training.interrupted(tmp_path / "ends", 3, 2, 2), whole)
    assert same(training.interrupted(tmp_path / "everywhere", 2, 1, 2, 3, 1), whole)


@pytest.mark.parametrize(
    ("training", "steps"),
    [("plain", [2, 4, 6]), ("ends inside an epoch", [2, 3]), ("accumulates", [1, 2])],
    indirect=["training"],
)
def test_a_training_ends_where_its_parameters_say(training: Training, steps: list[int], tmp_path: Path) -> None:
    assert [entry["step"] for entry in training.run(tmp_path / "whole").progress.history] == steps


@pytest.mark.parametrize("training", ["stops early"], indirect=True)
def test_a_training_without_progress_ends_early(training: Training, tmp_path: Path) -> None:
    progress = training.run(tmp_path / "whole").progress
    assert len(progress.history) < CASES["stops early"]["epochs"]
    assert len(progress.history) == progress.best_epoch + 2
