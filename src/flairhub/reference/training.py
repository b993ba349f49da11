"""The training parameters of a configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from flairhub.errors import ConfigurationError
from flairhub.reference.folder import ReferenceConfig

DIV_FACTOR = 1000.0
"""Peak over initial learning rate of the reference's cycle."""
FIXED_PATIENCE = 10
"""Epochs that the reference's plateau waits, whatever is configured."""
MOST_THREADS = 8


def monitored(config: ReferenceConfig) -> Literal["miou", "loss"]:
    """What chooses the checkpoint.

    Raises:
        ConfigurationError: `saving.ckpt_monitor` is something that is not computed, or is to go the wrong way.
    """
    name, mode = config.saving.ckpt_monitor, config.saving.ckpt_monitor_mode
    known = {"val_loss": "loss", "val_miou": "miou"}
    if len(config.labels) == 1:
        known[f"val_miou_{config.labels[0].split('-')[-1]}"] = "miou"
    if name not in known:
        raise ConfigurationError(
            f"{config.place('saving.ckpt_monitor')}: expected {' or '.join(known)}, but got {name!r}."
        )
    found: Literal["miou", "loss"] = "loss" if known[name] == "loss" else "miou"
    expected = "min" if found == "loss" else "max"
    if mode != expected:
        raise ConfigurationError(
            f"{config.place('saving.ckpt_monitor_mode')}: expected {expected} for {name}, but got {mode}."
        )
    return found


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def train_values(config: ReferenceConfig, quirks: Mapping[str, bool]) -> dict[str, Any]:
    """The section `train` of parameters.

    Raises:
        ConfigurationError: as `monitored`.
    """
    hyper, hardware = config.hyperparams, config.hardware
    sgd = hyper.optimizer == "sgd"
    select = "loss" if monitored(config) == "loss" else "published" if quirks["weighted_selection"] else "reported"
    return {
        "seed": hyper.seed,
        "epochs": hyper.num_epochs,
        "max_steps": None,
        "global_batch_size": hyper.batch_size * hardware.gpus_per_node * hardware.num_nodes,
        "accumulate": 1,
        "sampling": "plain",
        "optimizer": hyper.optimizer,
        "learning_rate": hyper.learning_rate,
        "weight_decay": 0.0 if sgd and quirks["undecayed_sgd"] else hyper.optim_weight_decay,
        "betas": list(hyper.optim_betas),
        "momentum": 0.0,
        "scheduler": hyper.scheduler or "constant",
        "warmup_fraction": hyper.warmup_fraction,
        "div_factor": DIV_FACTOR,
        "plateau_patience": FIXED_PATIENCE if quirks["fixed_patience"] else hyper.plateau_patience,
        "plateau_factor": 0.5,
        "gradient_clip": 0.0,
        "precision": "32-true",
        "memory_format": "contiguous",
        "compile": False,
        "determinism": "warn",
        "early_stopping_patience": config.saving.ckpt_earlystopping_patience,
        "select": select,
        "validate_every": 1,
        "threads": hardware.threads or min(_cores(), MOST_THREADS),
    }
