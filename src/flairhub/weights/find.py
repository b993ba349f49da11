"""Weights by the name of a row or by their path, with the contract without which they must not be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flairhub.archives.checksums import sha256_of
from flairhub.catalog.released_contracts import RELEASED
from flairhub.config.workspace import Workspace
from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.models.tensors import SUFFIXES
from flairhub.records.layout import row_files
from flairhub.weights.contract import WeightsContract
from flairhub.weights.locate import weights_folder
from flairhub.weights.weights_file import known_contract


@dataclass(frozen=True, slots=True)
class FoundWeights:
    """A weights file that says what it expects."""

    path: Path
    sha256: str
    contract: WeightsContract


def find_weights(name: str, workspace: Workspace) -> FoundWeights:
    """The weights of a row, or of a file.

    Args:
        name: a row of the repository, the name of a published file in the store, or a path.
        workspace: where both are looked for.

    Raises:
        MissingFileError: there is no such file, and no weights of such a row.
        ConfigurationError: the file has no contract.
    """
    candidates = [Path(name).expanduser(), row_files(name, workspace.root).weights]
    if name in RELEASED:
        candidates.append(weights_folder(workspace) / f"{name}.safetensors")
    path = next((each for each in candidates if each.is_file()), None)
    if path is None:
        if name.endswith(SUFFIXES):
            raise MissingFileError(f"Expected a weights file, but {name} does not exist.")
        raise MissingFileError(
            f"Expected weights of row {name} at {candidates[1]}, but there are none; make them with "
            f"`dvc repro train@{name}`, or give the path of a weights file."
        )
    contract = known_contract(path)
    if contract is None:
        raise ConfigurationError(
            f"{path}: expected weights with a contract in their metadata or the name of a published file, but it has "
            "neither; `flairhub_zonal --config FILE` takes the contract from a configuration file."
        )
    return FoundWeights(path.resolve(), sha256_of(path), contract)
