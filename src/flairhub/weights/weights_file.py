"""Weights that a row is given: found, fetched, identified, and held against what the row's parameters say.

A published file carries no contract; the catalog has it. A file of our own carries one. Any other file has none: the
row's parameters are taken at their word, and only shapes can contradict them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.archives.checksums import checksums_of
from flairhub.catalog.released_contracts import RELEASED as PUBLISHED_FILES
from flairhub.config.recipe import RELEASED, TRAINED
from flairhub.config.workspace import Workspace
from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.models.tensors import SUFFIXES, read_metadata
from flairhub.records.inputs import RowInputs
from flairhub.sources.download import Patience
from flairhub.weights.contract import WeightsContract
from flairhub.weights.fetch import fetch_released
from flairhub.weights.locate import weights_path
from flairhub.weights.of_row import row_contract
from flairhub.weights.released import released_contract

_log = logging.getLogger(__name__)

_OF_INPUT = ("bands", "normalisation", "means", "stds", "scale")
_OF_TASK = ("level", "classes")
_FREE = {"norm_padding"}
"""Parameters of a network that are a choice of whoever runs it, not a property of its weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """A weights file of this machine."""

    path: Path
    sha256: str
    contract: WeightsContract | None
    """What the file is known to expect; None: nobody says."""


def row_weights_file(
    row: str,
    weights: str,
    workspace: Workspace,
    *,
    endpoint: str | None = None,
    progress: bool = False,
    patience: Patience | None = None,
) -> WeightsFile | None:
    """The file that `rows.X.weights` means, fetched if it is a published one that is not here.

    Args:
        row: identifier of the row.
        weights: as params.yaml has it: `trained`, `released` or a path.
        workspace: where files and the cache of checksums lie.
        endpoint: address of the Hub; None: HF_ENDPOINT or the Hub itself.
        progress: draw bars.
        patience: of a transfer.

    Returns:
        The file; None for `trained`.

    Raises:
        ConfigurationError: no file is published for the row, or the file has no suffix of a weights file.
        MissingFileError: there is no such file.
        DownloadError: the transfer did not succeed.
    """
    if weights == TRAINED:
        return None
    if weights == RELEASED:
        path = fetch_released(row, workspace, endpoint=endpoint, progress=progress, patience=patience)
    else:
        path = weights_path(weights, "", workspace)
        _check_path(row, weights, path)
    sha256 = checksums_of(workspace).sha256(path, progress=progress)
    return WeightsFile(path=path, sha256=sha256, contract=known_contract(path))


def require_agreement(inputs: RowInputs, weights: WeightsFile) -> None:
    """Refuse parameters of a row that contradict the contract of the weights it is given.

    Raises:
        ConfigurationError: they do; the message names both sides of everything that differs.
    """
    if len(inputs.recipe.seeds) > 1:
        raise ConfigurationError(
            f"Row {inputs.row}: expected one seed where weights are given, because nothing is trained, but got "
            f"{list(inputs.recipe.seeds)}; remove rows.{inputs.row}.seeds."
        )
    if weights.contract is None:
        _log.warning("%s: %s has no contract; the row's parameters are taken as its own", inputs.row, weights.path.name)
        return
    own = row_contract(inputs, key="", data_sha256="", code_sha256="")
    conflicts = list(_conflicts(own, weights.contract))
    if conflicts:
        raise ConfigurationError(
            f"Row {inputs.row}: expected parameters that agree with the contract of {weights.path.name}, but "
            f"{'; '.join(conflicts)}. Set the file's values in params.yaml (the profile `released` has those of the "
            "published files), or train the row."
        )


def _check_path(row: str, weights: str, path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise ConfigurationError(
            f"rows.{row}.weights: expected {TRAINED}, {RELEASED}, or the path of a file with suffix "
            f"{', '.join(SUFFIXES)}, but got {weights!r}."
        )
    if not path.is_file():
        raise MissingFileError(f"rows.{row}.weights: expected a weights file, but {path} does not exist.")


def known_contract(path: Path) -> WeightsContract | None:
    """The contract in a file's metadata, or the catalog's for a published file's name; None: nobody says."""
    metadata = read_metadata(path)
    if "row_key" in metadata:
        return WeightsContract.from_metadata(metadata, str(path))
    entry = PUBLISHED_FILES.get(path.stem)
    return None if entry is None else released_contract(entry)


def _conflicts(own: WeightsContract, file: WeightsContract) -> Iterator[str]:
    """What differs, of everything that gives weights their meaning.

    Not compared: classes that are scored, patch sizes and GSD (shapes tell what does not fit), and what only
    training reads.
    """
    yield from _differ("inputs", tuple(own.modalities), tuple(file.modalities))
    yield from _differ("tasks", tuple(own.tasks), tuple(file.tasks))
    yield from _differ("ref_date", own.ref_date, file.ref_date)
    for name in own.modalities.keys() & file.modalities.keys():
        for field in _OF_INPUT:
            yield from _differ(
                f"{field} of {name}", getattr(own.modalities[name], field), getattr(file.modalities[name], field)
            )
    for name in own.tasks.keys() & file.tasks.keys():
        for field in _OF_TASK:
            yield from _differ(f"{field} of {name}", getattr(own.tasks[name], field), getattr(file.tasks[name], field))
    mono, utae = own.model["mono"], own.model["utae"]
    if mono is not None:
        yield from _sections("model.mono", mono, file.model["mono"], {"arch", "decoder_options"})
    if utae is not None:
        yield from _sections("model.utae", utae, file.model["utae"], set(utae) - _FREE)


def _sections(name: str, own: Mapping[str, Any], file: Mapping[str, Any] | None, fields: set[str]) -> Iterator[str]:
    for field in sorted(fields):
        yield from _differ(f"{name}.{field}", own[field], None if file is None else file.get(field))


def _differ(name: str, own: Any, file: Any) -> Iterator[str]:
    if own != file:
        yield f"{name}: the row has {_text(own)}, the file {_text(file)}"


def _text(value: Any) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, tuple | list) else str(value)
