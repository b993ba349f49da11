"""train: one row from its inputs to `models/ROW`, whatever interrupts it."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flairhub.archives.reader import PatchReader
from flairhub.compute.devices import Devices, find_devices
from flairhub.compute.launcher import Launcher, find_launcher
from flairhub.config.recipe import TRAINED
from flairhub.config.runtime import RuntimeSettings
from flairhub.errors import MissingFileError
from flairhub.lineage.environment import training_environment
from flairhub.records.details import TaskMetrics
from flairhub.records.history import History
from flairhub.records.inputs import RowInputs, inputs_sha256, read_inputs
from flairhub.records.layout import HISTORY, PROBE, STEPS, VALID, WEIGHTS
from flairhub.records.metrics import ValidMetrics
from flairhub.training.callbacks import Monitor
from flairhub.training.conversion import convert_weights
from flairhub.training.probe import probe
from flairhub.training.resume_state import OrphanError, TrainingState, note_start, publish, training_state
from flairhub.training.runner import Trained, fit
from flairhub.training.summary import write_summary
from flairhub.weights.checkpoints import save_weights
from flairhub.weights.of_row import row_contract

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlace:
    """Where a training reads and writes."""

    archives: Path
    """Folder of the archives."""
    state: Path
    """`<main>/.flairhub`."""
    destination: Path
    """`models/ROW`."""
    summary: Path
    """`reports/training/ROW`."""
    verify: Callable[[Iterable[str]], None] = lambda _: None
    """Called with the names of the row's archives before they are read; raises where one is not as expected."""
    weights: Callable[[str], Path] | None = None
    """Name of a weights file -> where it lies, for a row that is given weights."""
    encoder: Path | None = None
    """The file of weights that encoders start from, for a row that names one."""
    initial: Path | None = None
    """The file that the whole network starts from, for inputs that name one."""
    keep: Callable[[TrainingState, Trained], None] | None = None
    """Called with a training that has ended, before its checkpoint is deleted."""
    confirm: Callable[[], None] = lambda: None
    """Raises where what the training depends on has changed since it began; its result then stays in its state."""
    earlier: Callable[[str], dict[str, Path]] = lambda _: {}
    """Key of a training -> files of its finished result that are kept elsewhere; none: it has to be trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingIdentity:
    """Checksums that a training is known by."""

    keys: dict[int, str]
    """Seed -> key."""
    inputs_sha256: str
    code_sha256: str


def train_row(
    inputs_path: Path,
    identity: TrainingIdentity,
    place: TrainingPlace,
    settings: RuntimeSettings,
    *,
    monitor: Callable[[int, str], Monitor] | None = None,
) -> None:
    """Train every seed of a row and publish the results; given weights are converted and validated instead.

    The first seed's files lie in the row's folder, those of the others in `seed-N/` below it.

    Args:
        inputs_path: `data/inputs/ROW.json`.
        identity: keys and checksums.
        place: where to read and write.
        settings: devices, workers, progress bar.
        monitor: makes the live watcher of a (seed, key).

    Raises:
        OrphanError: the pipeline that started this process is gone.
        MissingFileError: given weights are not there.
        IntegrityError: they are other bytes than the inputs name, or do not fit the row's network.
    """
    launcher = find_launcher()
    inputs = read_inputs(inputs_path)
    devices = find_devices(settings)
    for number, (seed, key) in enumerate(identity.keys.items()):
        state = training_state(place.state, key)
        one = with_seed(inputs, seed)
        trains = one.recipe.weights == TRAINED
        watcher = monitor(seed, key) if monitor is not None and trains else None
        if devices.rank == 0:
            with state.locked():
                if not state.final.is_dir() and not state.take(place.earlier(key)):
                    _train(one, identity, key, state, place, settings, devices, watcher)
                _require_pipeline(launcher, state)  # what changed meanwhile is another pipeline's business
                place.confirm()
                publish(state.final, place.destination if number == 0 else place.destination / f"seed-{seed}")
        elif trains and not state.final.is_dir() and not place.earlier(key):
            # neither can appear before all processes have trained
            _fit(one, state, place, settings, devices, None)
    if devices.rank == 0:
        write_summary(place.destination, place.summary)


def with_seed(inputs: RowInputs, seed: int) -> RowInputs:
    """The inputs of one of a row's trainings."""
    train = inputs.recipe.train.model_copy(update={"seed": seed})
    recipe = inputs.recipe.model_copy(update={"seeds": (seed,), "train": train})
    return dataclasses.replace(inputs, recipe=recipe)


def _train(
    inputs: RowInputs,
    identity: TrainingIdentity,
    key: str,
    state: TrainingState,
    place: TrainingPlace,
    settings: RuntimeSettings,
    devices: Devices,
    monitor: Monitor | None,
) -> None:
    place.verify(inputs.archives)
    started = note_start(state, time.time_ns() // 1_000_000)
    # of this seed's inputs alone: the row's other seeds are no part of its weights file
    data = identity.inputs_sha256 if len(identity.keys) == 1 else inputs_sha256(inputs)
    trains = inputs.recipe.weights == TRAINED
    contract = row_contract(
        inputs,
        key=key,
        data_sha256=data,
        code_sha256=identity.code_sha256,
        environment=training_environment(devices, inputs.recipe.train.threads) if trains else None,
    )
    parts = {name: state.folder / name for name in (WEIGHTS, HISTORY, VALID)}
    if trains:
        if started["resumed"]:
            _log.info("%s: training is taken up again", inputs.row)
        trained = _fit(inputs, state, place, settings, devices, monitor)
        save_weights(trained.network, parts[WEIGHTS], contract)
        trained.progress.curve.write(parts[HISTORY])
        build_valid_metrics(inputs, trained.progress.best_epoch, trained.progress.best_valid).write(parts[VALID])
        parts[STEPS] = state.folder / STEPS
        trained.progress.step_curve.write(parts[STEPS])
        parts[PROBE] = state.folder / PROBE
        probe(inputs, PatchReader(place.archives), trained.network).write(parts[PROBE])
        if place.keep is not None:
            place.keep(state, trained)
    else:
        converted = convert_weights(inputs, _source(inputs, place), PatchReader(place.archives), settings, devices)
        save_weights(converted.network, parts[WEIGHTS], dataclasses.replace(contract, auxiliary=converted.auxiliary))
        History(epochs=()).write(parts[HISTORY])
        build_valid_metrics(inputs, None, converted.metrics).write(parts[VALID])
    state.finish(parts)


def _source(inputs: RowInputs, place: TrainingPlace) -> Path:
    if place.weights is None or inputs.weights_file is None:
        raise MissingFileError(
            f"Row {inputs.row}: expected the weights file {inputs.weights_file}, which the row's inputs name, but "
            f"rows.{inputs.row}.weights says to train; run `dvc repro`, which resolves the row again."
        )
    return place.weights(inputs.weights_file)


def _fit(
    inputs: RowInputs,
    state: TrainingState,
    place: TrainingPlace,
    settings: RuntimeSettings,
    devices: Devices,
    monitor: Monitor | None,
) -> Trained:
    return fit(
        inputs,
        PatchReader(place.archives),
        settings,
        devices,
        checkpoint=state.checkpoint,
        best=state.best,
        encoder=place.encoder,
        initial=place.initial,
        monitor=monitor,
    )


def build_valid_metrics(inputs: RowInputs, epoch: int | None, metrics: Mapping[str, float | None]) -> ValidMetrics:
    """The chosen epoch (None without training) and its figures on valid, percent, by task."""
    several = len(inputs.recipe.tasks) > 1
    start = {task: f"valid.{task}." if several else "valid." for task in inputs.recipe.tasks}
    return ValidMetrics(
        epoch=epoch,
        valid={task: TaskMetrics(oa=metrics[f"{name}oa"], miou=metrics[f"{name}miou"]) for task, name in start.items()},
    )


def _require_pipeline(launcher: Launcher, state: TrainingState) -> None:
    if not launcher.alive():
        raise OrphanError(
            f"Expected the pipeline that started this training to be there still, but it is gone; the result stays in "
            f"{state.final} and the next `dvc repro` publishes it."
        )
