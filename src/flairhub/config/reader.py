"""The one reader of params.yaml and of profiles: YAML 1.2, typed, closed to unknown keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flairhub.catalog.identifiers import check_identifier
from flairhub.catalog.modalities import INPUTS, LABELS, MODALITIES
from flairhub.catalog.taxonomies import taxonomy
from flairhub.config.base import build, nearest
from flairhub.config.params import Params
from flairhub.config.yaml_file import read_yaml
from flairhub.errors import ConfigurationError


def read_params(path: Path) -> Params:
    """Read and check params.yaml.

    Raises:
        ConfigurationError: an unknown key (the nearest valid one is named), a value that does not fit, or a
            name that is not in the catalog.
    """
    return parse_params(read_yaml(path), path.name)


def parse_params(values: dict[str, Any], where: str) -> Params:
    """Build `Params` from plain values and check names against the catalog."""
    rows = values.get("rows")
    for row in rows if isinstance(rows, dict) else ():
        check_identifier(str(row), f"{where}: rows")
    params = build(Params, values, where)
    check_identifier(params.profile, f"{where}: profile")
    _check_names(params.channels, INPUTS, f"{where}: channels")
    _check_names(params.normalisation, INPUTS, f"{where}: normalisation")
    _check_names(params.labels, LABELS, f"{where}: labels")
    _check_names(params.stats.skip_zero, INPUTS, f"{where}: stats.skip_zero")
    masks = params.evaluate.robustness.mask
    for names in () if isinstance(masks, str) else masks:
        _check_names(names, INPUTS, f"{where}: evaluate.robustness.mask")
    for row, settings in params.rows.items():
        _check_names(settings.modalities, INPUTS, f"{where}: rows.{row}.modalities")
        _check_names(settings.tasks, LABELS, f"{where}: rows.{row}.tasks")
        if len(set(settings.seeds or ())) < len(settings.seeds or ()):
            raise ConfigurationError(f"{where}: rows.{row}.seeds: expected distinct seeds, but got {settings.seeds}.")
    for task, label in params.labels.items():
        taxonomy(task, label.level)
    return params


def _check_names(names: Any, known: tuple[str, ...], where: str) -> None:
    for name in names:
        if name not in known:
            raise ConfigurationError(f"{where}: unknown name {name!r}{nearest(name, known)}")


def band_names(modality: str, channels: tuple[int | str, ...], where: str) -> tuple[str, ...]:
    """Band names of a channel list that mixes 1-based positions and names.

    Raises:
        ConfigurationError: a position or name the modality does not have, or a band named twice.
    """
    bands = MODALITIES[modality].bands
    chosen = []
    for channel in channels:
        if isinstance(channel, int) and 1 <= channel <= len(bands):
            chosen.append(bands[channel - 1])
        elif isinstance(channel, str) and channel in bands:
            chosen.append(channel)
        else:
            raise ConfigurationError(
                f"{where}: expected channels of {modality} out of 1..{len(bands)} or {', '.join(bands)}, "
                f"but got {channel!r}."
            )
    if len(set(chosen)) != len(chosen) or not chosen:
        raise ConfigurationError(f"{where}: expected distinct channels of {modality}, but got {list(channels)}.")
    return tuple(chosen)
