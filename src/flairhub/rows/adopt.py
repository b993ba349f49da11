"""A finished result carried over to other code, where that code is shown to do the same.

A change of code gives every training another key. Where it cannot be told from the outside whether it changes results,
the first optimiser steps and one batch of the evaluation are computed anew, and compared with those that the result
kept. Only where they are equal is the result filed under the new key, with the proof; the next `dvc repro` publishes it
without a step.

On a CPU equal means bit for bit, as the same code gives it there: of the machine, the class of device, their number and
that of the threads. A GPU adds up in no fixed order, and where libraries changed together with the code, or the machine
is another, their share cannot be told apart. A tolerance is allowed then, and the proof states why, and how much of it
was needed.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile

from flairhub.archives.reader import PatchReader
from flairhub.compute.devices import Devices, find_devices
from flairhub.config.recipe import TRAINED
from flairhub.config.runtime import RuntimeSettings
from flairhub.errors import ConfigurationError, IntegrityError, MissingFileError
from flairhub.lineage.environment import training_environment
from flairhub.lineage.keys import code_sha256, file_sha256, seed_keys
from flairhub.models.build import build_network, network_spec
from flairhub.records.environment import TrainingEnvironment
from flairhub.records.history import StepLosses
from flairhub.records.inputs import RowInputs, inputs_sha256, read_inputs
from flairhub.records.layout import HISTORY, PROBE, STEPS, VALID, WEIGHTS, RowFiles
from flairhub.records.probe import Adoption, Probe
from flairhub.rows.train import with_seed
from flairhub.training.probe import probe
from flairhub.training.resume_state import training_state
from flairhub.training.runner import first_steps
from flairhub.weights.checkpoints import load_weights, read_contract, relabel
from flairhub.weights.contract import WeightsContract

CPU = "cpu"
"""The class of device on which the same sums give the same bits."""
TOLERANCE = 1e-3
"""Relative, of losses and logits where equal bits cannot be had: of a few dozen steps whose sums have another order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What became of one training of a row."""

    seed: int
    adoption: Adoption | None
    """None: its result is that of today's code already."""


def adopt_row(
    files: RowFiles, archives: Path, state: Path, settings: RuntimeSettings, *, steps: int, encoder: Path | None = None
) -> tuple[Adopted, ...]:
    """Carry the results of a row over to today's code.

    Args:
        files: the row's files; inputs and fingerprint of the code are those of today.
        archives: folder of the archives.
        state: `<main>/.flairhub`.
        settings: devices and workers.
        steps: optimiser steps to repeat.
        encoder: the file of weights that encoders start from, for a row that names one.

    Raises:
        ConfigurationError: the row is not trained, or its data or parameters are not those of the result.
        MissingFileError: there is no result, or it does not keep what is compared.
        IntegrityError: today's code gives other losses or logits; the first difference is named.
    """
    inputs = read_inputs(files.inputs)
    if inputs.recipe.weights != TRAINED:
        raise ConfigurationError(f"Row {inputs.row} is given its weights; there is no training to carry over.")
    keys, adopted = seed_keys(files.inputs, files.train_code), []
    for number, (seed, key) in enumerate(keys.items()):
        one = with_seed(inputs, seed)
        mine = files if number == 0 else files.of_seed(seed)
        data = file_sha256(files.inputs) if len(keys) == 1 else inputs_sha256(one)
        contract = _contract(mine, inputs.row, data)
        adoption = None
        if contract.row_key != key and not training_state(state, key).final.is_dir():
            code = code_sha256(files.train_code)
            adoption = _adopt(one, mine, contract, key, code, archives, state, settings, steps, encoder)
        adopted.append(Adopted(seed=seed, adoption=adoption))
    return tuple(adopted)


def _contract(files: RowFiles, row: str, data: str) -> WeightsContract:
    for path in (files.weights, files.steps, files.probe):
        if not path.is_file():
            raise MissingFileError(
                f"Row {row}: expected {path} of a finished training, but there is none; `dvc checkout` brings it back, "
                f"`dvc repro train@{row}` makes it."
            )
    contract = read_contract(files.weights)
    if contract.data_sha256 != data:
        raise ConfigurationError(
            f"Row {row}: expected the data and parameters that made {files.weights}, but those of today are others "
            f"(data/inputs/{row}.json); only a change of code can be adopted. Train the row: `dvc repro train@{row}`."
        )
    return contract


def _adopt(
    inputs: RowInputs,
    files: RowFiles,
    contract: WeightsContract,
    key: str,
    code: str,
    archives: Path,
    folder: Path,
    settings: RuntimeSettings,
    steps: int,
    encoder: Path | None,
) -> Adoption:
    devices = find_devices(settings)
    because = reasons(contract.environment, training_environment(devices, inputs.recipe.train.threads))
    tolerance = TOLERANCE if because else 0.0
    reader = PatchReader(archives)
    repeated, of_losses = _compare_losses(inputs, files, reader, settings, devices, steps, tolerance, encoder)
    difference = max(of_losses, _compare_logits(inputs, files, reader, tolerance))
    adoption = Adoption(
        from_key=contract.row_key,
        from_code=contract.code_sha256,
        to_code=code,
        steps=repeated,
        equal="tolerance" if difference else "bits",
        tolerance=tolerance if difference else 0.0,
        difference=difference,
        because=because if difference else (),
    )
    carried = dataclasses.replace(contract, row_key=key, code_sha256=code, adoptions=(*contract.adoptions, adoption))
    state = training_state(folder, key)
    with state.locked():
        parts = {name: state.folder / name for name in (WEIGHTS, HISTORY, VALID, STEPS, PROBE)}
        relabel(files.weights, parts[WEIGHTS], carried)
        for name in (HISTORY, VALID, STEPS, PROBE):
            copyfile(files.model / name, parts[name])
        state.finish(parts)
    return adoption


def reasons(then: TrainingEnvironment | None, now: TrainingEnvironment) -> tuple[str, ...]:
    """Why equal bits cannot be asked for; none on the same CPU with the same libraries.

    Args:
        then: what the result was trained with; None: it does not say.
        now: of this process.
    """
    if then is None:
        return ("the result does not say what it was trained with",)
    pairs = {name: (getattr(then, name), getattr(now, name)) for name in ("machine", "device_class", "devices")}
    pairs |= {"threads": (then.threads, now.threads), "Python": (then.python, now.python)}
    names = sorted(then.libraries.keys() | now.libraries.keys())
    pairs |= {name: (then.libraries.get(name), now.libraries.get(name)) for name in names}
    found = [f"{name} {old} -> {new}" for name, (old, new) in pairs.items() if old != new]
    return tuple(found if now.device_class == CPU else [f"{now.device_class} adds up in no fixed order", *found])


def _compare_losses(
    inputs: RowInputs,
    files: RowFiles,
    reader: PatchReader,
    settings: RuntimeSettings,
    devices: Devices,
    steps: int,
    tolerance: float,
    encoder: Path | None,
) -> tuple[int, float]:
    """Steps that were compared, and the largest relative difference of their losses."""
    kept = [point for point in StepLosses.read(files.steps).points if point[0] <= steps]
    with tempfile.TemporaryDirectory(prefix="flairhub-adopt-") as scratch:
        losses = first_steps(inputs, reader, settings, devices, steps, Path(scratch), encoder)
    again, largest = dict(losses.points), 0.0
    for step, loss in kept:
        difference = _difference([loss], [again[step]]) if step in again else math.inf
        if difference > tolerance:
            raise IntegrityError(
                f"Row {inputs.row}: expected the loss {loss!r} at step {step}, as {files.steps} has it, but today's "
                f"code gives {again.get(step)!r}: the change of code changes the result. Train the row again: "
                "`dvc repro`."
            )
        largest = max(largest, difference)
    return (kept[-1][0] if kept else 0), largest


def _compare_logits(inputs: RowInputs, files: RowFiles, reader: PatchReader, tolerance: float) -> float:
    """The largest difference of logits, relative to the largest of them."""
    network = build_network(network_spec(inputs), load_weights=False)
    load_weights(network, files.weights)
    kept, again = Probe.read(files.probe), probe(inputs, reader, network)
    largest = 0.0
    for task, sha256 in kept.sha256.items():
        difference = math.inf
        if again.sha256.get(task) == sha256:
            difference = 0.0
        elif task in again.sample:  # other bits somewhere, which need not be among those kept as numbers
            difference = max(_difference(kept.sample[task], again.sample[task]), sys.float_info.epsilon)
        if kept.patches != again.patches or difference > tolerance:
            raise IntegrityError(
                f"Row {inputs.row}: expected the logits of {task} that {files.probe} has for {kept.patches[0]} and the "
                "rest of its batch, but today's code gives others: the change of code changes the result. Train the "
                "row again: `dvc repro`."
            )
        largest = max(largest, difference)
    return largest


def _difference(one: Sequence[float], other: Sequence[float]) -> float:
    """The largest difference, relative to the largest value; infinite where they cannot be compared."""
    if len(one) != len(other) or not all(map(math.isfinite, (*one, *other))):
        return 0.0 if list(map(repr, one)) == list(map(repr, other)) else math.inf
    scale = max(map(abs, one), default=0.0)
    largest = max((abs(a - b) for a, b in zip(one, other, strict=True)), default=0.0)
    return largest / scale if scale else (math.inf if largest else 0.0)
