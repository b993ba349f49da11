"""A finished result carried over to other code, where that code is shown to do the same.

A change of code gives every training another key. Where it cannot be told from the outside whether it changes results,
the first optimiser steps and one batch of the evaluation are computed anew, and compared with those that the result
kept. Only where they are equal is the result filed under the new key, with the proof; the next `dvc repro` publishes it
without a step.
"""

from __future__ import annotations

import dataclasses
import math
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
from flairhub.records.history import StepLosses
from flairhub.records.inputs import RowInputs, inputs_sha256, read_inputs
from flairhub.records.layout import HISTORY, PROBE, STEPS, VALID, WEIGHTS, RowFiles
from flairhub.records.probe import Adoption, Probe
from flairhub.rows.train import with_seed
from flairhub.training.probe import probe
from flairhub.training.runner import first_steps
from flairhub.training.state import training_state
from flairhub.weights.checkpoints import load_weights, read_contract, relabel
from flairhub.weights.contract import WeightsContract

TOLERANCE = 1e-3
"""Relative, of losses and logits on another class of device or with other libraries."""


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
    exact = contract.environment == training_environment(devices, inputs.recipe.train.threads)
    tolerance = 0.0 if exact else TOLERANCE
    reader = PatchReader(archives)
    repeated = _compare_losses(inputs, files, reader, settings, devices, steps, tolerance, encoder)
    _compare_logits(inputs, files, reader, tolerance)
    adoption = Adoption(
        from_key=contract.row_key,
        from_code=contract.code_sha256,
        to_code=code,
        steps=repeated,
        equal="bits" if exact else "tolerance",
        tolerance=tolerance,
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


def _compare_losses(
    inputs: RowInputs,
    files: RowFiles,
    reader: PatchReader,
    settings: RuntimeSettings,
    devices: Devices,
    steps: int,
    tolerance: float,
    encoder: Path | None,
) -> int:
    kept = [point for point in StepLosses.read(files.steps).points if point[0] <= steps]
    with tempfile.TemporaryDirectory(prefix="flairhub-adopt-") as scratch:
        losses = first_steps(inputs, reader, settings, devices, steps, Path(scratch), encoder)
    again = dict(losses.points)
    for step, loss in kept:
        if step not in again or not _same([loss], [again[step]], tolerance):
            raise IntegrityError(
                f"Row {inputs.row}: expected the loss {loss!r} at step {step}, as {files.steps} has it, but today's "
                f"code gives {again.get(step)!r}: the change of code changes the result. Train the row again: "
                "`dvc repro`."
            )
    return kept[-1][0] if kept else 0


def _compare_logits(inputs: RowInputs, files: RowFiles, reader: PatchReader, tolerance: float) -> None:
    network = build_network(network_spec(inputs), load_weights=False)
    load_weights(network, files.weights)
    kept, again = Probe.read(files.probe), probe(inputs, reader, network)
    for task, sha256 in kept.sha256.items():
        equal = (
            again.sha256.get(task) == sha256
            if tolerance == 0
            else _same(kept.sample[task], again.sample[task], tolerance)
        )
        if kept.patches != again.patches or not equal:
            raise IntegrityError(
                f"Row {inputs.row}: expected the logits of {task} that {files.probe} has for {kept.patches[0]} and the "
                "rest of its batch, but today's code gives others: the change of code changes the result. Train the "
                "row again: `dvc repro`."
            )


def _same(one: Sequence[float], other: Sequence[float], tolerance: float) -> bool:
    """Equal, or within a tolerance relative to the largest of the values."""
    scale = max(map(abs, one), default=0.0)
    return len(one) == len(other) and all(
        a == b or (tolerance > 0 and math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance * scale))
        for a, b in zip(one, other, strict=True)
    )
