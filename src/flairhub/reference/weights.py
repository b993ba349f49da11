"""The weights that a configuration names; which quirks concern it, and which of them its weights were trained with."""

from __future__ import annotations

from flairhub.archives.checksums import Checksums
from flairhub.catalog.modalities import SERIES_INPUTS
from flairhub.errors import ConfigurationError
from flairhub.models.tensors import SUFFIXES
from flairhub.reference.checkpoints import read_resumable
from flairhub.reference.folder import ReferenceConfig
from flairhub.reference.normalization import lists_bands, moments, norm_type
from flairhub.reference.quirks import QUIRKS
from flairhub.reference.recipe import auxiliary_inputs, output_widths
from flairhub.reference.tables import Places
from flairhub.weights.contract import WeightsContract
from flairhub.weights.weights_file import WeightsFile, known_contract

KEY = "paths.ckpt_model_path"


def needs_weights(config: ReferenceConfig) -> bool:
    """Whether the tasks read a weights file.

    Raises:
        ConfigurationError: they ask for two contrary things.
    """
    tasks = config.tasks
    start = tasks.train_tasks
    if start.init_weights_only_from_ckpt and start.resume_training_from_ckpt:
        raise ConfigurationError(
            f"{config.place('tasks.train_tasks')}: expected one of init_weights_only_from_ckpt and "
            "resume_training_from_ckpt, but both are true."
        )
    if tasks.train:
        return start.init_weights_only_from_ckpt or start.resume_training_from_ckpt
    return tasks.predict and not tasks.metrics_only


def find_given(config: ReferenceConfig, places: Places, checksums: Checksums) -> WeightsFile | None:
    """The weights file of a configuration; None where its tasks read none.

    Raises:
        ConfigurationError: none is named, or its name has another suffix than weights files have.
        MissingFileError: there is no such file.
        IntegrityError: it is to be resumed and cannot be.
    """
    if not needs_weights(config):
        return None
    named = config.paths.ckpt_model_path
    if named is None:
        raise ConfigurationError(
            f"{config.place(KEY)}: expected a weights file, because the tasks read one, but the key is empty."
        )
    if not named.endswith(SUFFIXES):
        raise ConfigurationError(
            f"{config.place(KEY)}: expected a file with suffix {', '.join(SUFFIXES)}, but got {named!r}."
        )
    path = places.find(named, config.place(KEY))
    if config.tasks.train and config.tasks.train_tasks.resume_training_from_ckpt:
        read_resumable(path, config.hyperparams.num_epochs)  # said before anything runs
    return WeightsFile(path=path, sha256=checksums.sha256(path), contract=known_contract(path))


def concerned(config: ReferenceConfig) -> dict[str, bool]:
    """Quirk -> whether it makes a difference to this configuration."""
    series = [name for name in config.inputs if name in SERIES_INPUTS]
    steps, hyper, trains = config.modalities.pre_processings, config.hyperparams, config.tasks.train
    averaged = (steps.temporal_average_sentinel2 is not None and "SENTINEL2_TS" in series) or (
        steps.temporal_average_sentinel1 is not None and any(name.startswith("SENTINEL1") for name in series)
    )
    listed = [name for name in config.inputs if name not in SERIES_INPUTS and lists_bands(config, name)]
    found = {
        "statistics_by_position": norm_type(config) == "custom" and bool(listed),
        "zero_dates": bool(series),
        "counted_padding": bool(series),
        "empty_slots": averaged,
        "appended_classes": bool(series) and output_widths(config, True) != output_widths(config, False),
        "weighted_selection": trains and config.saving.ckpt_monitor.startswith("val_miou"),
        "unused_aux_losses": trains and bool(auxiliary_inputs(config)),
        "even_dropout": trains and any(config.modalities.modality_dropout.values()),
        "fixed_patience": trains and "plateau" in (hyper.scheduler or "") and hyper.plateau_patience != 10,
        "undecayed_sgd": trains and hyper.optimizer == "sgd" and hyper.optim_weight_decay > 0,
    }
    return {name: found[name] for name in QUIRKS}


def known_quirks(config: ReferenceConfig, contract: WeightsContract) -> dict[str, bool]:
    """Which quirks weights with a contract were trained with."""
    there = concerned(config)
    utae = contract.model.get("utae") or {}
    steps = contract.preprocessing
    found = {}
    if contract.row_key:  # a published file has the catalog's contract, and the reference has trained it
        found = {
            "zero_dates": steps.get("zero_dates") == "masked",
            "empty_slots": steps.get("empty_slots") == "repeated",
            "counted_padding": utae.get("norm_padding") == "counted",
        }
    if there["appended_classes"]:
        found["appended_classes"] = list(utae.get("out_conv", ())) == output_widths(config, True)
    if there["statistics_by_position"]:
        found["statistics_by_position"] = _by_position(config, contract)
    return found


def _by_position(config: ReferenceConfig, contract: WeightsContract) -> bool:
    for name, item in contract.modalities.items():
        if item.means is None or name not in config.inputs:
            continue
        wrong = moments(config, name, by_position=True)
        right = moments(config, name, by_position=False)
        if wrong != right:
            return item.means == tuple(mean for mean, _ in wrong.values())
    return False
