"""What a model card is made of: a row's receipt, its details and the contract inside its weights, proven to agree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from flairhub.errors import ConfigurationError, IntegrityError, MissingFileError
from flairhub.lineage.keys import file_sha256
from flairhub.records.details import Details
from flairhub.records.layout import row_files
from flairhub.records.receipt import Receipt
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
    receipt: Receipt
    details: Details
    """Of this seed."""

    @property
    def label_size(self) -> tuple[int, int]:
        """Height and width of the scored class maps, pixels: patches are square, and every pixel is counted."""
        counted = sum(map(sum, next(iter(self.details.tasks.values())).confusion))
        side = math.isqrt(counted // self.details.n_scored)
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
        DataError: receipt or details are not as an evaluation writes them.
    """
    files = row_files(row, root)
    receipt = Receipt.read(files.receipt)
    seeds = receipt.training_seeds
    chosen = seeds[0] if seed is None else seed
    if chosen not in seeds:
        raise ConfigurationError(
            f"Row {row}: expected one of its seeds {', '.join(map(str, seeds))}, but got {chosen}; more seeds are "
            f"`rows.{row}.seeds` in params.yaml."
        )
    first = chosen == seeds[0]
    own = files if first else files.of_seed(chosen)
    sums = receipt.of_seed(chosen)
    figures = _verified(own.details, sums.details_sha256, row, "evaluate")
    weights = _verified(own.weights, sums.weights_sha256, row, "train")
    contract = read_contract(weights)
    _same_training(weights, contract, receipt, chosen)
    return CardFacts(
        row=row,
        seed=chosen,
        first=first,
        weights=weights,
        weights_sha256=sums.weights_sha256,
        contract=contract,
        receipt=receipt,
        details=Details.read(figures),
    )


def _verified(path: Path, sha256: str, row: str, stage: str) -> Path:
    if not path.is_file():
        raise MissingFileError(f"Expected {path}, but there is no such file; run `dvc repro {stage}@{row}`.")
    actual = file_sha256(path)
    if actual != sha256:
        raise IntegrityError(
            f"{path}: expected sha256 {sha256}, as the receipt of row {row} says, but got {actual}; the file was "
            f"changed after the evaluation: run `dvc checkout`, or `dvc repro evaluate@{row}`."
        )
    return path


def _same_training(weights: Path, contract: WeightsContract, receipt: Receipt, seed: int) -> None:
    """The contract inside the weights names the training that the receipt names."""
    stated, expected = (contract.row, contract.row_key), (receipt.row, receipt.seeds.get(seed))
    if stated != expected:
        raise IntegrityError(
            f"{weights}: expected the contract of the training {expected} that the receipt names, but got {stated}; "
            f"run `dvc repro evaluate@{receipt.row}`."
        )
