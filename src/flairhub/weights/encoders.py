"""Initial weights of a row's mono-date encoders: which, where, and whether they are those of the row's inputs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flairhub.archives.checksums import Checksums
from flairhub.config.recipe import IMAGENET, TRAINED, Recipe
from flairhub.config.workspace import Workspace
from flairhub.errors import IntegrityError, MissingFileError
from flairhub.files import canonical_json, sha256_text, write_text
from flairhub.records.inputs import RowInputs
from flairhub.weights.locate import verify_weights, weights_path


def encoder_path(params: Mapping[str, Any], row: str, workspace: Workspace) -> Path | None:
    """Where the file lies that `model.mono.encoder_weights` of a row names; it need not exist.

    Args:
        params: params.yaml as plain values.
        row: identifier of the row.
        workspace: both roots; see `weights_path`.

    Returns:
        The file; None for ImageNet and for random weights.
    """
    own = (params["rows"][row].get("model") or {}).get("mono") or {}
    named = {**(params["model"].get("mono") or {}), **own}.get("encoder_weights")
    return None if named in {None, IMAGENET} else weights_path(str(named), "", workspace)


def encoder_sha256(recipe: Recipe, path: Path | None, checksums: Checksums, kept: Path) -> str | None:
    """Checksum of the initial weights that a row is trained from.

    Args:
        recipe: of the row.
        path: the file, where it names one.
        checksums: cache of checksums.
        kept: folder that keeps those of ImageNet's, which take seconds to load.

    Returns:
        SHA-256 of the file, or of ImageNet's tensors; None where all starts at random, or nothing is trained.

    Raises:
        MissingFileError: the file is not there, or ImageNet's weights are neither here nor to be had.
    """
    mono = recipe.model.mono
    if recipe.weights != TRAINED or mono is None or mono.encoder_weights is None:
        return None
    if path is not None:
        if not path.is_file():
            raise MissingFileError(
                f"Row {recipe.row}: expected the weights that model.mono.encoder_weights names, but {path} does not "
                "exist."
            )
        return checksums.sha256(path)
    libraries = [version("timm"), version("segmentation-models-pytorch")]
    known = kept / f"{sha256_text(canonical_json([mono.arch, mono.decoder_options, libraries]))}.imagenet"
    if not known.is_file():
        from flairhub.models.pretrained import imagenet_sha256

        write_text(known, imagenet_sha256(mono.arch, mono.decoder_options))
    return known.read_text(encoding="utf-8")


def verify_encoder(inputs: RowInputs, path: Path | None) -> None:
    """Make sure that the initial weights on this machine are those that the row's inputs name.

    Raises:
        MissingFileError: they are not there.
        IntegrityError: they are others.
    """
    mono = inputs.recipe.model.mono
    if inputs.encoder_sha256 is None or mono is None:
        return
    if mono.encoder_weights != IMAGENET:
        verify_weights(path or Path(str(mono.encoder_weights)), inputs.encoder_sha256)
        return
    from flairhub.models.pretrained import imagenet_sha256

    here = imagenet_sha256(mono.arch, mono.decoder_options)
    if here != inputs.encoder_sha256:
        raise IntegrityError(
            f"Row {inputs.row}: expected the ImageNet weights of {mono.arch} with sha256 {inputs.encoder_sha256} that "
            f"the row's inputs name, but this machine has {here}; remove them from the caches of timm and Hugging "
            "Face, or name a file by model.mono.encoder_weights."
        )
