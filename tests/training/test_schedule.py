from __future__ import annotations

import pytest
import torch

from flairhub.config.training import TrainParams
from flairhub.training.schedule import learning_rate


def params(**changes):
    values = {
        "seed": 1, "epochs": 2, "max_steps": None, "global_batch_size": 2, "accumulate": 1, "sampling": "plain",
        "optimizer": "adamw", "learning_rate": 5e-5, "weight_decay": 0.01, "betas": (0.9, 0.999), "momentum": 0.0,
        "scheduler": "one_cycle_lr", "warmup_fraction": 0.2, "div_factor": 1000.0, "plateau_patience": 3,
        "plateau_factor": 0.5, "gradient_clip": 0.0, "precision": "32-true", "memory_format": "contiguous",
        "compile": False, "determinism": "warn", "early_stopping_patience": None,
        "select": "reported", "validate_every": 1, "threads": 1,
    }  # fmt: skip
    return TrainParams(**(values | changes))


@pytest.mark.parametrize(("total", "warmup", "div"), [(50, 0.2, 1000.0), (7, 0.3, 25.0), (1000, 0.05, 10.0)])
def test_one_cycle_is_that_of_torch(total, warmup, div):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=5e-5)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=5e-5, total_steps=total, pct_start=warmup, div_factor=div, cycle_momentum=False
    )
    wanted = []
    for _ in range(total):
        wanted.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(wanted) < total:
            scheduler.step()
    chosen = params(warmup_fraction=warmup, div_factor=div)
    assert [learning_rate(chosen, step, total, 0) for step in range(total)] == pytest.approx(wanted, rel=1e-9)


def test_one_cycle_begins_as_the_published_one():
    # The first rates of the published schedule over 50 steps.
    wanted = [5.0e-08, 1.5561767958719385e-06, 5.893040033103527e-06, 1.25375e-05]
    assert [learning_rate(params(), step, 50, 0) for step in range(4)] == pytest.approx(wanted, rel=1e-6)


def test_plateau_schedules_are_reduced_and_constant_is_not():
    plateau = params(scheduler="reduce_on_plateau")
    assert learning_rate(plateau, 7, 50, 2) == pytest.approx(5e-5 * 0.25)
    assert learning_rate(params(scheduler="constant"), 7, 50, 2) == 5e-5


def test_cycle_then_plateau_rises_and_then_stays_until_reduced():
    chosen = params(scheduler="cycle_then_plateau")
    assert learning_rate(chosen, 3, 50, 0) == learning_rate(params(), 3, 50, 0)
    assert learning_rate(chosen, 40, 50, 0) == 5e-5
    assert learning_rate(chosen, 40, 50, 1) == pytest.approx(2.5e-5)


def test_a_training_of_one_step_has_a_rate():
    assert learning_rate(params(), 0, 1, 0) > 0
