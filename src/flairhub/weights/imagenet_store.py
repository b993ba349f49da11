"""ImageNet weights of encoders in the repository's store, where machines without a network find them.

smp and timm load them through the Hub's client, out of the cache of whoever runs them or from the network. What they
used is copied into `data/weights/hub`, which every later stage reads instead (`surroundings.own_weights`). smp pins a
revision of each repository, timm does not: what holds both to what was resolved is the checksum in a row's inputs.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flairhub.config.workspace import Workspace
from flairhub.errors import MissingFileError
from flairhub.locks import locked
from flairhub.models.arch import parse_arch
from flairhub.models.pretrained import imagenet_sha256
from flairhub.surroundings import HUB_CACHE


def keep_imagenet(arch: str, decoder_options: Mapping[str, Any], workspace: Workspace) -> None:
    """Make sure that the weights that an architecture starts from lie in the store, as far as they can be had.

    Nothing is done where somebody chose another cache by HF_HUB_CACHE.

    Args:
        arch: `<encoder>-<decoder>`.
        decoder_options: of the decoder.
        workspace: its main folder holds the store.
    """
    from huggingface_hub import constants

    store, used = workspace.main / HUB_CACHE, Path(constants.HF_HUB_CACHE)
    name = _folder_name(arch)
    chosen = os.environ.get("HF_HUB_CACHE")
    if name is None or (store / name).is_dir() or (chosen and Path(chosen).resolve() != store.resolve()):
        return
    if not (used / name).is_dir():
        with suppress(MissingFileError):  # known by checksum and not to be had now: training asks for it if it has to
            imagenet_sha256(arch, decoder_options)
    if (used / name).is_dir() and used.resolve() != store.resolve():
        with locked(store / ".lock"):
            _copy(used / name, store / name)


def _folder_name(arch: str) -> str | None:
    """Name of a repository's folder in a cache of the Hub's client; None for weights that come from elsewhere."""
    import timm
    from huggingface_hub.file_download import repo_folder_name
    from segmentation_models_pytorch.encoders import encoders

    encoder = parse_arch(arch).encoder
    if encoder in encoders:
        repository = encoders[encoder]["pretrained_settings"].get("imagenet", {}).get("repo_id")
    else:
        known = timm.get_pretrained_cfg(encoder.removeprefix("tu-"))
        repository = None if known is None else known.hf_hub_id
    return None if not repository else repo_folder_name(repo_id=repository, repo_type="model")


def _copy(source: Path, target: Path) -> None:
    if target.is_dir():  # another process was quicker
        return
    temporary = Path(tempfile.mkdtemp(prefix=".copy-", dir=target.parent))
    try:
        shutil.copytree(source, temporary / "content", symlinks=True)
        (temporary / "content").replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
