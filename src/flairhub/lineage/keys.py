"""Keys: names of a result that are known before it exists.

A training's key is the checksum of everything it depends on: it names the resume folder, the lock, the MLflow
run and the receipt. The key of an evaluation adds the weights, and the evaluation's code and parameters.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from flairhub.files import canonical_json
from flairhub.records.code import Fingerprint
from flairhub.records.inputs_file import InputsFile


def seed_keys(inputs: Path, code: Path) -> dict[int, str]:
    """Key of the training of each seed of a row.

    A key does not depend on the row's other seeds, so that adding one retrains none.

    Args:
        inputs: `data/inputs/<ROW>.json`.
        code: `data/code/train.json`.

    Raises:
        MissingFileError, DataError: a file is not there, or not of today's format.
    """
    file, fingerprint = InputsFile.read(inputs), code_sha256(code)
    return {seed: _combined(canonical_json(file.of_seed(seed).plain()), fingerprint) for seed in file.seeds}


def row_key(keys: dict[int, str]) -> str:
    """Key of a row: that of its only training, or of all together."""
    values = list(keys.values())
    return values[0] if len(values) == 1 else _combined(*values)


def eval_key(training_key: str, weights_sha256: str, code: Path, parameters: dict[str, Any]) -> str:
    """Key of an evaluation: its training's key, the weights, and the code and parameters of evaluation."""
    return _combined(training_key, weights_sha256, code_sha256(code), canonical_json(parameters))


def weights_key(weights: Path) -> str | None:
    """The key in the metadata of a safetensors file: of the training that made it; None where it says nothing."""
    return weights_metadata(weights).get("row_key") or None


def weights_metadata(weights: Path) -> dict[str, str]:
    """The metadata of a safetensors file.

    Read without its tensors and without torch, whose readers ask for the suffix that a file in a cache lacks.

    Returns:
        Nothing where there is no such file, or it is damaged.
    """
    if not weights.is_file():
        return {}
    with weights.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if length > weights.stat().st_size:
            return {}
        try:
            header = json.loads(handle.read(length))
        except ValueError:
            return {}
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    return {str(name): str(value) for name, value in metadata.items()} if isinstance(metadata, dict) else {}


def code_sha256(path: Path) -> str:
    """The checksum that a fingerprint file (`data/code/<STAGE>.json`) holds."""
    return Fingerprint.read(path).sha256


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _combined(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
