"""One training, from the inputs of a row to its best weights.

Bit-identical on one CPU machine however often it is interrupted: the order of patches, augmentation, dropout
and learning rate are functions of (seed, step) alone, and everything else is in the checkpoint.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar

from flairhub.archives.reader import PatchReader
from flairhub.compute.devices import Devices, pin_threads
from flairhub.compute.processes import this_process
from flairhub.config.runtime import RuntimeSettings
from flairhub.data.loaders import BatchLoader, loader_options, training_loader
from flairhub.data.preprocess import Preprocessor
from flairhub.data.sampler import EpochBatches
from flairhub.files import replacing
from flairhub.models.build import build_network, network_spec
from flairhub.models.network import SegmentationNetwork
from flairhub.models.trial import require_trainable
from flairhub.records.history import StepLosses
from flairhub.records.inputs import RowInputs
from flairhub.training.arithmetic import lay_out, lay_out_plainly, repetition
from flairhub.training.callbacks import Epochs, Monitor, NoMonitor, Steps, StopAfter
from flairhub.training.checkpoints import Checkpoints
from flairhub.training.losses import Objective
from flairhub.training.module import RowModule
from flairhub.training.progress import Progress
from flairhub.training.validation import Validation
from flairhub.weights.checkpoints import load_weights
from flairhub.weights.encoders import verify_encoder
from flairhub.weights.locate import verify_weights

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Outcome of a training."""

    network: SegmentationNetwork
    """With the best weights in the first process, on the CPU."""
    progress: Progress
    """History and best validation."""


def fit(
    inputs: RowInputs,
    reader: PatchReader,
    settings: RuntimeSettings,
    devices: Devices,
    *,
    checkpoint: Path,
    best: Path,
    encoder: Path | None = None,
    initial: Path | None = None,
    monitor: Monitor | None = None,
) -> Trained:
    """Train a row's network, from its checkpoint if there is one.

    Args:
        inputs: inputs of the row; `recipe.train.seed` is the seed.
        reader: reader of the archives.
        settings: workers, cache, progress bar: nothing of it is part of the result on one CPU machine.
        devices: where it runs.
        checkpoint: where the state of the training is kept.
        best: where the best weights so far are kept.
        encoder: the file of initial weights, where the recipe names one.
        initial: the file that the whole network starts from, where the inputs name one.
        monitor: told about losses and metrics as they come.

    Raises:
        DivergedError: the loss is no longer finite.
        DataError: a patch breaks its contract.
        MissingFileError: the initial weights are not there.
        IntegrityError: they are not those that the inputs name.
    """
    watcher = monitor or NoMonitor()
    start = (encoder, initial)
    network, progress = _run(inputs, reader, settings, devices, checkpoint, best, start, watcher, [])
    if this_process().first:  # the others' copy is not used, and the file may be gone before they read it
        network.load_state_dict(torch.load(best, map_location="cpu", weights_only=True))
    return Trained(network=network, progress=progress)


def first_steps(
    inputs: RowInputs,
    reader: PatchReader,
    settings: RuntimeSettings,
    devices: Devices,
    steps: int,
    scratch: Path,
    encoder: Path | None = None,
    *,
    watching: Sequence[Callback] = (),
) -> StepLosses:
    """The losses of the first optimiser steps of a training, as `fit` would have them.

    Args:
        inputs: inputs of the row.
        reader: reader of the archives.
        settings: as for `fit`.
        devices: as for `fit`.
        steps: how many.
        scratch: an empty folder.
        encoder: as for `fit`.
        watching: told about every step.
    """
    stop: list[Callback] = [*watching, StopAfter(steps)]
    last, best = scratch / "last.ckpt", scratch / "best.pt"
    _, progress = _run(inputs, reader, settings, devices, last, best, (encoder, None), NoMonitor(), stop)
    return StepLosses(points=tuple(point for point in progress.steps if point[0] <= steps))


def _run(
    inputs: RowInputs,
    reader: PatchReader,
    settings: RuntimeSettings,
    devices: Devices,
    checkpoint: Path,
    best: Path,
    start: tuple[Path | None, Path | None],
    monitor: Monitor,
    further: list[Callback],
) -> tuple[SegmentationNetwork, Progress]:
    """Train from the files of encoders and of the whole network; returns it as the last step left it, on the CPU."""
    encoder, initial = start
    train = inputs.recipe.train
    pin_threads(train.threads)
    # Deterministic mode would first fill all memory that an operation is about to write.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # absent from its stub
    verify_encoder(inputs, encoder)
    torch.manual_seed(train.seed)
    network = build_network(network_spec(inputs), encoder=encoder)
    if initial is not None:
        verify_weights(initial, inputs.initial_sha256)
        _log.info("%s starts from %s: %s", inputs.row, initial.name, load_weights(network, initial, strict=False))
    lay_out(network, train)
    progress = Progress()
    preprocessor = Preprocessor(inputs.recipe, inputs.statistics)
    trainer_of: list[Trainer] = []
    loader, total_steps = _loader(inputs, reader, settings, devices, lambda: trainer_of[0].global_step)
    objective = Objective(inputs.recipe)
    network.auxiliary_left_out = objective.without_weight(network.spec.auxiliary_modalities)
    module = RowModule(network, preprocessor, objective, train)
    epochs = Epochs(
        train,
        total_steps,
        progress,
        validate=Validation(inputs, reader, settings, devices, network, preprocessor),
        save_best=lambda: _save_weights(network, best),
        monitor=monitor,
    )
    callbacks = [Steps(train, total_steps, progress), epochs, *further]
    if settings.progress:
        callbacks.append(TQDMProgressBar(refresh_rate=settings.progress_rate))
    callbacks.append(Checkpoints(checkpoint, settings.checkpoint_seconds))
    trainer_of.append(_trainer(inputs, settings, devices, callbacks))
    resume = str(checkpoint) if checkpoint.is_file() else None
    trainer_of[0].fit(module, loader, ckpt_path=resume, weights_only=True)
    network.cpu()
    lay_out_plainly(network)
    return network, progress


def _loader(
    inputs: RowInputs, reader: PatchReader, settings: RuntimeSettings, devices: Devices, step: Callable[[], int]
) -> tuple[BatchLoader, int]:
    """The training batches of this process, and the optimiser steps of the whole training."""
    train = inputs.recipe.train
    options = loader_options(inputs, settings, devices)
    loader = training_loader(inputs, reader, options, start_step=step)
    batches = loader.batch_sampler
    assert isinstance(batches, EpochBatches)
    if devices.world_size > 1:  # on one device, `resolve` has tried it
        size = inputs.sizes[inputs.recipe.tasks[0]]
        require_trainable(inputs.row, network_spec(inputs), batches.smallest_batch, size)
    total = train.epochs * batches.steps_per_epoch
    return loader, total if train.max_steps is None else min(total, train.max_steps)


def _trainer(inputs: RowInputs, settings: RuntimeSettings, devices: Devices, callbacks: list[Callback]) -> Trainer:
    train = inputs.recipe.train
    # Lightning's notices (devices, tips, its own use of a deprecated torch call) say nothing a user can act on.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
    warnings.filterwarnings("ignore", message=r".*does not have many workers.*")
    several = devices.world_size > 1
    repeats = repetition(train, devices.accelerator)
    return Trainer(
        accelerator=devices.accelerator,
        devices=devices.per_node,
        num_nodes=devices.num_nodes,
        # Auxiliary decoders of weight 0 exist in the published networks and get no gradient.
        strategy="ddp_find_unused_parameters_true" if several else "auto",
        # The last step is the callbacks' business: with `max_steps` Lightning takes every checkpoint for one inside
        # an epoch, and one of an epoch's end then goes on with a single batch instead of a whole epoch.
        max_epochs=train.epochs,
        accumulate_grad_batches=train.accumulate,
        gradient_clip_val=train.gradient_clip or None,
        precision=train.precision,
        deterministic=repeats.deterministic,
        benchmark=repeats.benchmark,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=settings.progress,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        use_distributed_sampler=False,
    )


def _save_weights(network: SegmentationNetwork, path: Path) -> None:
    if not this_process().first:
        return
    state: dict[str, Any] = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with replacing(path) as temporary:
        torch.save(state, temporary)
