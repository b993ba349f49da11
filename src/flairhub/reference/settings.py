"""The settings of the machine that a configuration asks for, and how it is evaluated."""

from __future__ import annotations

from flairhub.config.runtime import RuntimeSettings
from flairhub.config.training import EvaluateParams, RobustnessParams
from flairhub.reference.folder import ReferenceConfig

RESAMPLES, CONFIDENCE, MIN_CLUSTERS = 2000, 0.95, 10
"""Of the intervals in the report, which the reference does not have."""


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
