"""Channels and normalisation of a configuration, by band name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flairhub.catalog.modalities import HEIGHT, INPUTS, MODALITIES
from flairhub.config.base import nearest
from flairhub.config.channels import ELEVATION
from flairhub.errors import ConfigurationError
from flairhub.reference.folder import ReferenceConfig

NORM_TYPES = ("custom", "scaling", "without")
_KEY = "modalities.normalization"
_ENDS = ("_means", "_stds")
SCALES = {"uint8": 255.0, "uint16": 65535.0}
"""What `scaling` divides files of a type by; those of floating point stay as they are."""


def input_channels(config: ReferenceConfig) -> dict[str, tuple[str, ...]]:
    """Active input -> names of its bands in network order; for DEM_ELEV those of the file.

    Raises:
        ConfigurationError: an input has no channels, or a channel is no band of it.
    """
    return {name: _bands(config, name) for name in config.inputs}


def _bands(config: ReferenceConfig, name: str) -> tuple[str, ...]:
    bands = MODALITIES[name].bands
    channels = config.modalities.inputs_channels.get(name)
    place = config.place(f"modalities.inputs_channels.{name}")
    if name == ELEVATION or (channels is None and len(bands) == 1):  # the reference reads all bands of these
        return bands
    if not channels:
        raise ConfigurationError(
            f"{place}: expected channels, because {name} is an active input, but got {channels}; its bands are "
            f"{_numbered(bands)}."
        )
    wrong = [channel for channel in channels if not 1 <= channel <= len(bands)]
    if wrong or len(set(channels)) < len(channels):
        raise ConfigurationError(
            f"{place}: expected each of its bands at most once, {_numbered(bands)}, but got {list(channels)}."
        )
    return tuple(bands[channel - 1] for channel in channels)


def network_bands(config: ReferenceConfig) -> dict[str, tuple[str, ...]]:
    """Active input -> bands that the network gets: as `input_channels`, but for the derived height."""
    found = input_channels(config)
    steps = config.modalities.pre_processings
    if ELEVATION in found and steps.calc_elevation:
        found[ELEVATION] = ("DSM", HEIGHT) if steps.calc_elevation_stack_dsm else (HEIGHT,)
    return found


def norm_type(config: ReferenceConfig) -> str:
    """How mono-date inputs are scaled.

    Raises:
        ConfigurationError: it is none of the three types, or a key of the section is unknown.
    """
    section = config.modalities.normalization
    known = ("norm_type", *(f"{name}{end}" for name in INPUTS for end in _ENDS))
    for key in section:
        if key not in known:
            raise ConfigurationError(f"{config.place(_KEY)}: unknown key `{key}`{nearest(str(key), known)}")
    found = section.get("norm_type")
    if found not in NORM_TYPES:
        raise ConfigurationError(
            f"{config.place(f'{_KEY}.norm_type')}: expected {', '.join(NORM_TYPES)}, but got {found!r}."
        )
    return str(found)


def lists_bands(config: ReferenceConfig, name: str) -> bool:
    """Whether the statistics of an input are listed per band of its file, where fewer channels are chosen."""
    bands, channels = MODALITIES[name].bands, network_bands(config)[name]
    means = config.modalities.normalization.get(f"{name}_means")
    return isinstance(means, list) and HEIGHT not in channels and len(means) == len(bands) > len(channels)


def moments(config: ReferenceConfig, name: str, *, by_position: bool) -> dict[str, tuple[float, float]]:
    """Band -> (mean, std) of a mono-date input under `norm_type: custom`.

    Args:
        config: the configuration.
        name: an active input.
        by_position: apply statistics that are listed per band of the file by position, as the reference does.

    Raises:
        ConfigurationError: there are none, they are no numbers, or their number fits neither channels nor bands.
    """
    channels = network_bands(config)[name]
    bands = MODALITIES[name].bands
    means, stds = (_numbers(config, f"{name}{end}") for end in _ENDS)
    place = config.place(f"{_KEY}.{name}_means")
    if len(means) != len(stds):
        raise ConfigurationError(f"{place}: expected as many means as stds, but got {len(means)} and {len(stds)}.")
    if min(stds) <= 0:
        raise ConfigurationError(
            f"{config.place(f'{_KEY}.{name}_stds')}: expected standard deviations above 0, but got {stds}."
        )
    pairs = list(zip(means, stds, strict=True))
    if len(pairs) == len(channels) or (name == ELEVATION and len(pairs) == len(bands)):
        return dict(zip(channels, pairs, strict=False))
    if not lists_bands(config, name):
        raise ConfigurationError(
            f"{place}: expected {len(channels)} values, one per channel ({', '.join(channels)}), or {len(bands)}, one "
            f"per band of the file ({', '.join(bands)}), but got {len(pairs)}."
        )
    of_band = dict(zip(bands, pairs, strict=True))
    return dict(zip(channels, pairs, strict=False)) if by_position else {band: of_band[band] for band in channels}


def _numbers(config: ReferenceConfig, key: str) -> list[float]:
    value: Any = config.modalities.normalization.get(key)
    if not isinstance(value, Sequence) or isinstance(value, str) or not value or not all(map(_is_number, value)):
        raise ConfigurationError(
            f"{config.place(f'{_KEY}.{key}')}: expected a list of numbers, because norm_type is custom and the input "
            f"is active, but got {value!r}."
        )
    return [float(each) for each in value]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbered(bands: Sequence[str]) -> str:
    return ", ".join(f"{number} {band}" for number, band in enumerate(bands, 1))
