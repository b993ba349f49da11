"""The weights that a configuration names, and what they say of the quirks that they were trained with."""

from __future__ import annotations

from flairhub.archives.checksums import Checksums
from flairhub.errors import ConfigurationError
from flairhub.models.tensors import SUFFIXES
from flairhub.reference.concerned import concerned
from flairhub.reference.folder import ReferenceConfig
from flairhub.reference.normalization import moments
from flairhub.reference.paths import Places
from flairhub.reference.recipe import output_widths
from flairhub.reference.resume import read_resumable
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
