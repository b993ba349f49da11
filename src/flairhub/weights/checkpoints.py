"""Weights files: safetensors with a contract in their metadata, and everything older read without conversion."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj

import torch
from torch import Tensor

from flairhub.errors import IntegrityError
from flairhub.files import replacing
from flairhub.models.adapt import is_position_table, resize_position_table
from flairhub.models.renames import in_todays_order
from flairhub.models.tensors import network_tensors, read_metadata, read_tensors
from flairhub.weights.contract import WeightsContract

HEADS = (".segmentation_head.",)
"""Parts of keys that belong to the classes: the only ones that may be reinitialised on a mismatch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What happened to every key that did not simply load."""

    loaded: int
    """Tensors taken as they are."""
    missing: tuple[str, ...] = ()
    """Keys of the network that the file lacks; they keep their initial values."""
    unexpected: tuple[str, ...] = ()
    """Keys of the file that the network lacks; left out."""
    reinitialised: tuple[str, ...] = ()
    """Heads for another number of classes; they keep their initial values."""
    interpolated: tuple[str, ...] = ()
    """Position tables resized to another window."""
    mismatched: tuple[str, ...] = ()
    """Keys of another shape that nothing can be done about: always an error."""

    @property
    def exact(self) -> bool:
        """Whether the file gave every tensor of the network, unchanged."""
        return not (self.missing or self.unexpected or self.reinitialised or self.interpolated or self.mismatched)

    def __str__(self) -> str:
        parts = [f"{self.loaded} tensors loaded"]
        for name in ("missing", "unexpected", "reinitialised", "interpolated", "mismatched"):
            keys = getattr(self, name)
            if keys:
                parts.append(f"{len(keys)} {name}: {', '.join(keys)}")
        return "; ".join(parts)


def save_weights(network: torch.nn.Module, path: Path, contract: WeightsContract) -> None:
    """Write weights and their contract; the same weights and contract give the same bytes."""
    from safetensors.torch import save

    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    content = save(tensors, metadata=contract.to_metadata())
    header, start = _sorted_header(content)
    with replacing(path) as temporary, temporary.open("wb") as handle:
        handle.write(header)
        handle.write(memoryview(content)[start:])


def relabel(source: Path, target: Path, contract: WeightsContract) -> None:
    """Copy a safetensors file under another contract; the tensors keep their bytes."""
    with source.open("rb") as handle, replacing(target) as temporary, temporary.open("wb") as out:
        header = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
        header.pop("__metadata__", None)
        out.write(_header(contract.to_metadata(), header))
        copyfileobj(handle, out)


def _sorted_header(content: bytes) -> tuple[bytes, int]:
    """The header with sorted metadata, and where the tensors start.

    safetensors writes metadata in the random order of a hash map.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return _header(header.pop("__metadata__"), header), 8 + length


def _header(metadata: Mapping[str, str], tensors: Mapping[str, object]) -> bytes:
    sorted_metadata = dict(sorted(metadata.items()))
    text = json.dumps(
        {"__metadata__": sorted_metadata, **tensors}, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()
    text += b" " * (-len(text) % 8)  # the tensors stay aligned to 8 bytes
    return len(text).to_bytes(8, "little") + text


def tensors_sha256(path: Path) -> str:
    """SHA-256 of the tensors of a safetensors file: their names, places and bytes, without the metadata."""
    with path.open("rb") as handle:
        header = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
        header.pop("__metadata__", None)
        digest = hashlib.sha256(json.dumps(header, sort_keys=True, allow_nan=False).encode())
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_contract(path: Path) -> WeightsContract:
    """The contract of a weights file.

    Raises:
        IntegrityError: it has none.
    """
    return WeightsContract.from_metadata(read_metadata(path), str(path))


def load_weights(network: torch.nn.Module, path: Path, *, strict: bool = True) -> LoadReport:
    """Load a weights file into a network.

    Args:
        network: built for the file, or for other classes or patch sizes.
        path: `.safetensors`, `.ckpt` or `.pth`, with or without the `model.` prefix of the published files;
            `criterion.*` is skipped. No code of the file is executed.
        strict: refuse anything but an exact fit. False reinitialises heads of another shape, resizes Swin's position
            tables, and keeps the initial values of what the file lacks.

    Returns:
        What happened.

    Raises:
        IntegrityError: in strict mode, a key is missing, unexpected or of another shape; in any mode, something
            other than a head or a position table has another shape. The message lists the keys.
        MissingFileError: there is no such file.
    """
    return load_tensors(network, network_tensors(read_tensors(path)), str(path), strict=strict)


def load_tensors(
    network: torch.nn.Module, tensors: Mapping[str, Tensor], where: str, *, strict: bool = True
) -> LoadReport:
    """As `load_weights`, for tensors that are read already."""
    state = network.state_dict()
    tensors = in_todays_order(tensors, state)
    taken: dict[str, Tensor] = {}
    sorted_keys: dict[str, list[str]] = {"reinitialised": [], "interpolated": [], "mismatched": []}
    for name, current in state.items():
        if name not in tensors:
            continue
        stored = tensors[name]
        if stored.shape == current.shape:
            taken[name] = stored
            continue
        resized = resize_position_table(stored, current.shape[0]) if is_position_table(name) else None
        if resized is not None and resized.shape == current.shape:
            taken[name] = resized
            sorted_keys["interpolated"].append(name)
        else:
            sorted_keys["reinitialised" if _is_head(name) else "mismatched"].append(name)
    report = LoadReport(
        loaded=len(taken) - len(sorted_keys["interpolated"]),
        missing=tuple(name for name in state if name not in tensors),
        unexpected=tuple(sorted(set(tensors) - set(state))),
        **{kind: tuple(names) for kind, names in sorted_keys.items()},
    )
    if report.mismatched or (strict and not report.exact):
        raise IntegrityError(f"{where}: expected weights that fit the network exactly, but {report}.")
    network.load_state_dict({**state, **taken})
    return report


def _is_head(name: str) -> bool:
    """Whether a key belongs to the classes: a segmentation head, a series' 1x1 decoder or its output convolutions."""
    if any(part in name for part in HEADS) or ".out_conv.conv.conv." in name:
        return True
    return name.startswith(("main_decoders.", "aux_decoders.")) and name.count(".") == 2
