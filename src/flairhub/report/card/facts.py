"""What a model card is made of: a row's receipt, its details and the contract inside its weights, proven to agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.errors import ConfigurationError, IntegrityError, MissingFileError
from flairhub.files import read_json
from flairhub.lineage.keys import file_sha256
from flairhub.records.layout import row_files
from flairhub.weights.checkpoints import read_contract
from flairhub.weights.contract import WeightsContract


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """One training of a row, with everything that a card says of it."""

    row: str
    seed: int
    """Seed of the training."""
    first: bool
    """Whether it is the training behind the row's figures in the table."""
    weights: Path
    """The weights file, verified."""
    weights_sha256: str
    contract: WeightsContract
    receipt: Mapping[str, Any]
    details: Mapping[str, Any]
    """Of this seed."""

    @property
    def label_size(self) -> tuple[int, int]:
        """Height and width of the scored class maps, pixels: patches are square, and every pixel is counted."""
        counted = sum(map(sum, next(iter(self.details["tasks"].values()))["confusion"]))
        side = math.isqrt(counted // self.details["n_scored"])
        return side, side


def read_facts(row: str, root: Path = Path(), *, seed: int | None = None) -> CardFacts:
    """Read and verify the files of a row.

    Args:
        row: identifier of the row.
        root: the repository.
        seed: one of the row's seeds; None for the first.

    Raises:
        MissingFileError: the row was not trained or not evaluated.
        ConfigurationError: the row has no such seed.
        IntegrityError: weights, figures and receipt do not belong together.
    """
    files = row_files(row, root)
    if not files.receipt.is_file():
        raise MissingFileError(f"Expected {files.receipt}, but there is no such file; run `dvc repro evaluate@{row}`.")
    receipt = read_json(files.receipt)
    seeds = [int(name) for name in receipt["recipe"]["seeds"]]
    chosen = seeds[0] if seed is None else seed
    if chosen not in seeds:
        raise ConfigurationError(
            f"Row {row}: expected one of its seeds {', '.join(map(str, seeds))}, but got {chosen}; more seeds are "
            f"`rows.{row}.seeds` in params.yaml."
        )
    first = chosen == seeds[0]
    own = files if first else files.of_seed(chosen)
    sums = _sums(receipt, chosen, first=first)
    figures = _verified(own.details, sums["details_sha256"], row, "evaluate")
    weights = _verified(own.weights, sums["weights_sha256"], row, "train")
    contract = read_contract(weights)
    _same_training(weights, contract, receipt, chosen)
    return CardFacts(
        row=row,
        seed=chosen,
        first=first,
        weights=weights,
        weights_sha256=sums["weights_sha256"],
        contract=contract,
        receipt=receipt,
        details=read_json(figures),
    )


def _sums(receipt: Mapping[str, Any], seed: int, *, first: bool) -> Mapping[str, str]:
    """Checksums of one seed's files by name, e.g. `weights_sha256`."""
    found: Mapping[str, str] | None = receipt if first else receipt.get("further_seeds", {}).get(str(seed))
    if found is None:
        raise IntegrityError(
            f"The receipt of row {receipt['row']} has no checksums of seed {seed} under `further_seeds`; run "
            f"`dvc repro evaluate@{receipt['row']}`."
        )
    return found


def _verified(path: Path, sha256: str, row: str, stage: str) -> Path:
    if not path.is_file():
        raise MissingFileError(f"Expected {path}, but there is no such file; run `dvc repro {stage}@{row}`.")
    found = file_sha256(path)
    if found != sha256:
        raise IntegrityError(
            f"{path}: expected sha256 {sha256}, as the receipt of row {row} says, but got {found}; the file was "
            f"changed after the evaluation: run `dvc checkout`, or `dvc repro evaluate@{row}`."
        )
    return path


def _same_training(weights: Path, contract: WeightsContract, receipt: Mapping[str, Any], seed: int) -> None:
    """The contract inside the weights names the training that the receipt names."""
    found, expected = (contract.row, contract.row_key), (receipt["row"], receipt["seeds"][str(seed)])
    if found != expected:
        raise IntegrityError(
            f"{weights}: expected the contract of the training {expected} that the receipt names, but got {found}; "
            f"run `dvc repro evaluate@{receipt['row']}`."
        )
