"""Learning rates as a pure function of the optimiser step and of the reductions made so far.

No scheduler object holds state, so a resumed training continues with exactly the rates it would have had.
"""

from __future__ import annotations

import math

from flairhub.config.training import TrainParams

FINAL_DIV_FACTOR = 1e4
"""Initial over final learning rate of the cycle; torch.optim.lr_scheduler.OneCycleLR's default, as published."""


def learning_rate(params: TrainParams, step: int, total_steps: int, reductions: int) -> float:
    """Learning rate of one optimiser step.

    `one_cycle_lr` is torch's OneCycleLR with cosine annealing; `reduce_on_plateau` and `constant` start at the
    peak; `cycle_then_plateau` rises like the cycle and then stays at the peak. Plateau schedules are multiplied
    by `plateau_factor` per reduction.

    Args:
        params: schedule and its numbers.
        step: 0-based optimiser step.
        total_steps: optimiser steps of the whole training.
        reductions: how often progress has stalled so far.
    """
    peak = params.learning_rate
    if params.scheduler == "one_cycle_lr":
        return _one_cycle(params, step, total_steps)
    reduced = peak * params.plateau_factor**reductions
    if params.scheduler == "cycle_then_plateau" and step < _warmup_end(params, total_steps):
        return _one_cycle(params, step, total_steps)
    return peak if params.scheduler == "constant" else reduced


def _warmup_end(params: TrainParams, total_steps: int) -> float:
    return params.warmup_fraction * total_steps - 1


def _one_cycle(params: TrainParams, step: int, total_steps: int) -> float:
    peak = params.learning_rate
    start = peak / params.div_factor
    end = start / FINAL_DIV_FACTOR
    turn = _warmup_end(params, total_steps)
    if step <= turn and turn > 0:
        return _cosine(start, peak, step / turn)
    last = total_steps - 1
    return _cosine(peak, end, (step - turn) / (last - turn)) if last > turn else peak


def _cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) / 2.0 * (math.cos(math.pi * share) + 1)
