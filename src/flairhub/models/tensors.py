"""Reading state dicts: safetensors, Lightning checkpoints and plain torch files, never executing code from them."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flairhub.errors import IntegrityError, MissingFileError

SUFFIXES = (".safetensors", ".ckpt", ".pth", ".pt")
MODEL_PREFIX = "model."
CONTRACT = "flairhub"
"""Key of a checkpoint of ours beside its weights: what they expect, as the metadata of a safetensors file."""
LOSS_PREFIX = "criterion."
"""Keys of the published files that hold class weights of the loss, not of the network."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a weights file, with the keys of the file.

    Raises:
        MissingFileError: there is no such file.
        IntegrityError: it is not a weights file, or a torch file that would have to execute code.
    """
    if not path.is_file():
        raise MissingFileError(f"Expected a weights file, but {path} does not exist.")
    if path.suffix not in SUFFIXES:
        raise IntegrityError(f"Expected a weights file with suffix {', '.join(SUFFIXES)}, but got {path}.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise IntegrityError(
            f"{path}: expected a torch file that holds tensors only, but it cannot be read without executing code "
            f"from it or is damaged; convert it to safetensors where you trust it. ({str(error).splitlines()[0]})"
        ) from error
    return _tensors_of(content, path)


def network_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the network: without `criterion.*`, and without the `model.` prefix of the published files."""
    kept = {name: value for name, value in tensors.items() if not name.startswith(LOSS_PREFIX)}
    if kept and all(name.startswith(MODEL_PREFIX) for name in kept):
        return {name.removeprefix(MODEL_PREFIX): value for name, value in kept.items()}
    return kept


def auxiliary_of(keys: Iterable[str]) -> tuple[str, ...]:
    """Modalities with auxiliary decoders in a state dict (keys without `model.`)."""
    modalities = dict.fromkeys(key.split(".")[1].split("__")[0] for key in keys if key.startswith("aux_decoders."))
    return tuple(modalities)


def read_metadata(path: Path) -> dict[str, str]:
    """Metadata of a safetensors file, or of a checkpoint of ours; empty for files that have none."""
    if path.suffix != ".safetensors":
        return _checkpoint_metadata(path)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as handle:
            return dict(handle.metadata() or {})
    except SafetensorError as error:
        raise IntegrityError(f"{path}: expected a safetensors file, but got: {error}.") from error


def _checkpoint_metadata(path: Path) -> dict[str, str]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError):
        return {}  # whoever reads its tensors says what is wrong
    known = content.get(CONTRACT) if isinstance(content, Mapping) else None
    return {str(key): str(value) for key, value in known.items()} if isinstance(known, Mapping) else {}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(str(path)))
    except SafetensorError as error:
        raise IntegrityError(f"{path}: expected a safetensors file, but got: {error}.") from error


def _tensors_of(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict of a Lightning checkpoint, or the mapping itself."""
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise IntegrityError(
            f"{path}: expected a state dict or a checkpoint with one, but got {type(content).__name__}."
        )
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
