"""The weights files that parameters name by a path, noted so that DVC sees when one is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flairhub.archives.checksums import Checksums
from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.released_contracts import released_for_row
from flairhub.config.params import Params
from flairhub.config.recipe import RELEASED, TRAINED
from flairhub.config.workspace import Workspace
from flairhub.records.listings import ListedFile
from flairhub.weights.encoders import encoder_path
from flairhub.weights.fetch import released_name
from flairhub.weights.locate import weights_folder, weights_path


def list_weights(
    params: Params, workspace: Workspace, checksums: Checksums, earlier: Mapping[str, ListedFile]
) -> dict[str, ListedFile]:
    """The files that rows are given, published ones too, or whose encoders start from.

    Args:
        params: all parameters.
        workspace: where relative paths start.
        checksums: cache of checksums; a file is hashed when it changed.
        earlier: what was noted before: it stays where a file is not here, as in a clone that has only results.

    Returns:
        Dotted name of the parameter -> name and checksum of the file.
    """
    listed = {}
    for parameter, path in _named(params, workspace).items():
        if path.is_file():
            listed[parameter] = ListedFile(name=path.name, sha256=checksums.sha256(path))
        elif parameter in earlier and earlier[parameter].name == path.name:
            listed[parameter] = earlier[parameter]
    return listed


def _named(params: Params, workspace: Workspace) -> dict[str, Path]:
    plain = params.model_dump(mode="json")
    named = {}
    for row, settings in params.rows.items():
        if settings.weights == RELEASED:
            named[f"rows.{row}.weights"] = weights_folder(workspace) / released_name(released_for_row(row))
        elif settings.weights != TRAINED:
            named[f"rows.{row}.weights"] = weights_path(settings.weights, "", workspace)
        encoder = encoder_path(plain, row, workspace)
        mono = any(MODALITIES[name].kind == "mono" for name in settings.modalities)
        if encoder is not None and mono and settings.weights == TRAINED:
            named[f"rows.{row}.model.mono.encoder_weights"] = encoder
    return named
