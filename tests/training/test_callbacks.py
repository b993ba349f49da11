"""What a step waits for: with several processes neither losses nor the question of a checkpoint stop each one."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.drawn_rows import make_recipe
from torch import Tensor

from flairhub.training import callbacks
from flairhub.training.callbacks import Epochs
from flairhub.training.checkpoints import Checkpoints
from flairhub.training.progress import Progress

STEPS = 40
LOSSES = [1.0 / (batch + 1) for batch in range(2 * STEPS)]


@dataclass
class Watcher:
    points: list[tuple[int, float]] = field(default_factory=list)

    def log(self, step: int, metrics: dict[str, float]) -> None:
        self.points.append((step, metrics["train.loss"]))


def trainer(world_size: int) -> Any:
    strategy = SimpleNamespace(asked=0)

    def broadcast(value: bool) -> bool:
        strategy.asked += 1
        return value

    strategy.broadcast = broadcast
    state = {"global_step": 0, "accumulate_grad_batches": 2, "is_last_batch": False, "should_stop": False}
    return SimpleNamespace(strategy=strategy, world_size=world_size, **state)


def run(world_size: int, monkeypatch: pytest.MonkeyPatch, *, save_at: int = 0) -> tuple[Progress, Watcher, int]:
    """Progress and watcher after all steps, and how often losses were brought together."""
    readings = []

    def mean(values: Tensor) -> Tensor:
        readings.append(len(values))
        return values

    monkeypatch.setattr(callbacks, "mean_over_processes", mean)
    recipe = make_recipe("X", rows={"X": {"tasks": ["AERIAL_LABEL-COSIA"], "modalities": ["AERIAL_RGBI"]}})
    progress, watcher, fake = Progress(), Watcher(), trainer(world_size)
    epochs = Epochs(recipe.train, 10**6, progress, validate=pytest.fail, save_best=pytest.fail, monitor=watcher)
    for batch, loss in enumerate(LOSSES):
        fake.global_step = (batch + 1) // 2
        epochs.on_train_batch_end(fake, None, {"loss": torch.tensor(loss, dtype=torch.float64)}, None, batch)
        if batch + 1 == 2 * save_at:
            assert len(epochs.state_dict()["steps"]) == save_at, "a checkpoint lacks no loss"
    epochs.state_dict()
    return progress, watcher, len(readings)


def test_losses_are_read_seldom_and_none_is_lost_or_changed(monkeypatch):
    alone, watcher, each = run(1, monkeypatch)
    several, late, seldom = run(2, monkeypatch, save_at=20)
    assert (each, seldom) == (STEPS, 4), "after steps 16 and 32, for the checkpoint of step 20, and at the end"
    assert alone.state() == several.state()
    assert watcher.points == late.points == alone.steps
    assert alone.loss_sum == pytest.approx(sum(LOSSES))
    assert len(alone.steps) == STEPS


def test_the_first_of_several_processes_is_asked_seldom_for_a_checkpoint(monkeypatch, tmp_path):
    for world_size, expected in ((1, list(range(1, STEPS + 1))), (2, [16, 32])):
        saved: list[int] = []
        fake = trainer(world_size)
        callback = Checkpoints(tmp_path / "last.ckpt", 0.0)
        monkeypatch.setattr(callback, "_save", lambda trainer, saved=saved: saved.append(trainer.global_step))
        for batch in range(2 * STEPS):
            fake.global_step = (batch + 1) // 2
            callback.on_train_batch_end(fake, None, None, None, batch)
        assert saved == expected
        assert fake.strategy.asked == (0 if world_size == 1 else 2)
