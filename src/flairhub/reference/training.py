"""The training parameters of a configuration, the machine that it asks for, and how it is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flairhub.config.runtime import RuntimeSettings, usable_cores
from flairhub.config.training import EvaluateParams, RobustnessParams
from flairhub.errors import ConfigurationError
from flairhub.reference.folder import ReferenceConfig

DIV_FACTOR = 1000.0
"""Peak over initial learning rate of the reference's cycle."""
FIXED_PATIENCE = 10
"""Epochs that the reference's plateau waits, whatever is configured."""
MOST_THREADS = 8
RESAMPLES, CONFIDENCE, MIN_CLUSTERS = 2000, 0.95, 10
"""Of the intervals in the report, which the reference does not have."""


def _selects_by_loss(config: ReferenceConfig) -> bool:
    """Whether the loss chooses the checkpoint, not the mIoU.

    Raises:
        ConfigurationError: `saving.ckpt_monitor` is something that is not computed, or is to go the wrong way.
    """
    name, mode = config.saving.ckpt_monitor, config.saving.ckpt_monitor_mode
    known = {"val_loss": "min", "val_miou": "max"}
    if len(config.labels) == 1:
        known[f"val_miou_{config.labels[0].split('-')[-1]}"] = "max"
    if name not in known:
        raise ConfigurationError(
            f"{config.place('saving.ckpt_monitor')}: expected {' or '.join(known)}, but got {name!r}."
        )
    if mode != known[name]:
        raise ConfigurationError(
            f"{config.place('saving.ckpt_monitor_mode')}: expected {known[name]} for {name}, but got {mode}."
        )
    return known[name] == "min"


def train_values(config: ReferenceConfig, quirks: Mapping[str, bool]) -> dict[str, Any]:
    """The section `train` of parameters.

    Raises:
        ConfigurationError: as `_selects_by_loss`.
    """
    hyper, hardware = config.hyperparams, config.hardware
    sgd = hyper.optimizer == "sgd"
    select = "loss" if _selects_by_loss(config) else "published" if quirks["weighted_selection"] else "reported"
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
        "threads": hardware.threads or min(usable_cores(), MOST_THREADS),
    }


def run_settings(config: ReferenceConfig) -> tuple[RuntimeSettings, list[str]]:
    """Devices, workers and progress bar; and what there is to say of them."""
    import torch

    hardware, saving = config.hardware, config.saving
    notes = []
    accelerator, devices = hardware.accelerator, hardware.gpus_per_node
    if accelerator in {"gpu", "cuda"} and not torch.cuda.is_available() and not torch.backends.mps.is_available():
        notes.append(f"hardware.accelerator is {accelerator}, but this machine has no GPU: the CPU is used")
        accelerator, devices = "cpu", 1
    if accelerator == "auto" and not torch.cuda.is_available():
        devices = 1
    settings = RuntimeSettings(
        workers=hardware.num_workers,
        accelerator=accelerator,
        devices=devices,
        num_nodes=hardware.num_nodes,
        progress=saving.enable_progress_bar,
        progress_rate=saving.progress_rate,
    )
    return settings, notes


def evaluation(config: ReferenceConfig, *, counted_padding: bool) -> EvaluateParams:
    """How test patches are scored.

    Args:
        config: the configuration.
        counted_padding: results depend on the batch; the reference predicts patch by patch.
    """
    return EvaluateParams(
        batch_size=1 if counted_padding else config.hyperparams.batch_size,
        write_predictions=config.tasks.write_files,
        examples=0,
        resamples=RESAMPLES,
        confidence=CONFIDENCE,
        min_clusters=MIN_CLUSTERS,
        seed=config.hyperparams.seed,
        robustness=RobustnessParams(mask="none", dates=()),
    )
