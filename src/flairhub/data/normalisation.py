"""How values are brought to scale: by band NAME, never by position."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from flairhub.catalog.modalities import HEIGHT
from flairhub.config.channels import network_channels
from flairhub.config.recipe import InputRecipe
from flairhub.errors import ConfigurationError
from flairhub.records.inputs_file import BandStatistics


def select_bands(values: Tensor, bands: tuple[str, ...], channels: tuple[str, ...]) -> Tensor:
    """The chosen channels of a modality, derived ones computed.

    Args:
        values: `[..., C, H, W]`, float32 or a small integer type.
        bands: names of the C bands.
        channels: names out of them and, where DSM and DTM are among them, HEIGHT.

    Returns:
        `[..., len(channels), H, W]` float32; never shares memory with `values`.
    """
    if channels == bands:
        return values.to(torch.float32, copy=True)
    if HEIGHT not in channels:
        chosen = torch.empty(*values.shape[:-3], len(channels), *values.shape[-2:], device=values.device)
        for position, name in enumerate(channels):  # picks and converts in one pass
            chosen[..., position, :, :] = values[..., bands.index(name), :, :]
        return chosen
    planes = {name: values[..., position, :, :].to(torch.float32) for position, name in enumerate(bands)}
    planes[HEIGHT] = planes["DSM"] - planes["DTM"]
    return torch.stack([planes[name] for name in channels], dim=-3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """An affine scale per channel: (x - shift) / divisor."""

    shift: tuple[float, ...]
    """Per channel, in the modality's unit."""
    divisor: tuple[float, ...]
    """Per channel, in the modality's unit, positive."""
    filling: tuple[float, ...] | None
    """Mean per channel in the modality's unit, which replaces missing pixels; None where it is not known."""

    def apply(self, values: Tensor) -> Tensor:
        """Scale `[..., C, H, W]` in place."""
        return values.sub_(_column(self.shift, values)).div_(_column(self.divisor, values))


def scale_of(recipe: InputRecipe, modality: str, statistics: dict[str, dict[str, BandStatistics]]) -> Scale:
    """The scale that a recipe's `normalisation` asks for.

    Args:
        recipe: a resolved row.
        modality: one of its inputs.
        statistics: modality -> band -> moments.

    Raises:
        ConfigurationError: there is no normalisation for the modality, the moments of a used band are missing or
            have no spread, or `scaling` has no divisor.
    """
    channels = network_channels(recipe)[modality]
    moments = statistics.get(modality, {})
    settings = recipe.normalisation.get(modality)
    if settings is None:
        raise ConfigurationError(f"Row {recipe.row}: expected a normalisation of {modality}, but there is none.")
    filling = tuple(moments[name].mean for name in channels) if set(channels) <= set(moments) else None
    zeros, ones = (0.0,) * len(channels), (1.0,) * len(channels)
    if settings.type == "without":
        return Scale(shift=zeros, divisor=ones, filling=filling)
    if settings.type == "scaling":
        if settings.scale is None:
            raise ConfigurationError(f"Row {recipe.row}: normalisation.{modality} of type scaling needs a `scale`.")
        return Scale(shift=zeros, divisor=(settings.scale,) * len(channels), filling=filling)
    for name in channels:
        _check_moments(recipe.row, modality, name, moments)
    return Scale(
        shift=tuple(moments[name].mean for name in channels),
        divisor=tuple(moments[name].std for name in channels),
        filling=filling,
    )


def _check_moments(row: str, modality: str, band: str, moments: dict[str, BandStatistics]) -> None:
    if band not in moments:
        raise ConfigurationError(
            f"Row {row}: expected statistics of band {band} of {modality}, but got only {sorted(moments)}; "
            f"run the stats stage, or give explicit ones under normalisation.{modality}."
        )
    if moments[band].std <= 0:
        raise ConfigurationError(
            f"Row {row}: expected band {band} of {modality} to vary, but its standard deviation is "
            f"{moments[band].std}; leave it out of channels.{modality}."
        )


def fill_missing(values: Tensor, scale: Scale) -> tuple[Tensor, Tensor]:
    """Replace non-finite pixels by their band's mean, before scaling.

    Where the band's mean is not known (types `scaling` and `without` need no statistics), the mean of the
    sample's own finite pixels of that band is taken, or 0 where it has none.

    Args:
        values: `[B, C, H, W]`.
        scale: of the same channels.

    Returns:
        The values, and the number of replaced values as a tensor of one element.
    """
    finite = torch.isfinite(values)
    if scale.filling is not None:
        filling = _column(scale.filling, values)
    else:
        total = torch.where(finite, values, 0.0).sum(dim=(-2, -1), keepdim=True)
        filling = total / finite.sum(dim=(-2, -1), keepdim=True).clamp(min=1)
    return torch.where(finite, values, filling), (~finite).sum()


def _column(numbers: tuple[float, ...], like: Tensor) -> Tensor:
    return _constant(numbers, like.dtype, like.device)[:, None, None]


@lru_cache(maxsize=256)
def _constant(numbers: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Kept on the device: to bring it there anew for every batch would make the host wait. Never written to."""
    with torch.inference_mode(mode=False):
        return torch.tensor(numbers, dtype=dtype, device=device)
