"""Parameters of the networks' inputs: channels, normalisation, pre-processing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from flairhub.config.base import Section


class Normalisation(Section):
    """How one modality's values are brought to the network's scale."""

    type: Literal["custom", "scaling", "without"]
    """`custom`: (x - mean) / std per band; `scaling`: x / scale; `without`: values as they are."""
    statistics: Literal["computed", "reference", "paper", "explicit"] | None = None
    """For `custom`: merged from the row's training patches, one of the two published sets, or given below."""
    scale: float | None = Field(default=None, gt=0)
    """For `scaling`: the divisor, in the modality's unit."""
    means: dict[str, float] | None = None
    """For `explicit`: band name -> mean, in the modality's unit."""
    stds: dict[str, float] | None = None
    """For `explicit`: band name -> standard deviation, in the modality's unit."""


class CloudFilter(Section):
    """Which Sentinel-2 dates are kept."""

    enabled: bool
    """Off keeps every date."""
    max_cloud: float = Field(ge=0, le=100)
    """A pixel is clear up to this cloud probability, 0..100."""
    max_snow: float = Field(ge=0, le=100)
    """A pixel is clear up to this snow probability, 0..100."""
    max_fraction_covered: float = Field(ge=0, le=1)
    """A date is kept while at most this share of its pixels is not clear."""


class Preprocessing(Section):
    """Named as in the reference's configuration where it has the option."""

    calc_elevation: bool
    """Whether the height of objects DSM - DTM is computed from DEM_ELEV."""
    calc_elevation_stack_dsm: bool
    """With calc_elevation: keep the DSM as a first channel before the height."""
    filter_sentinel2: CloudFilter
    """Cloud and snow filter of SENTINEL2_TS."""
    temporal_average_sentinel2: Literal["monthly", "semi-monthly"] | None
    """Average SENTINEL2_TS over months or half months; null: keep every date."""
    temporal_average_sentinel1: Literal["monthly", "semi-monthly"] | None
    """Average both SENTINEL1 series over months or half months; null: keep every date."""
    max_dates: int | None = Field(ge=1)
    """Keep at most this many dates of a series, evenly spread over the valid ones; null: all."""
    empty_slots: Literal["masked", "repeated"] = "masked"
    """A month (or half) without date in a temporal average: no date, or the one before again, as the published code
    has it."""
    zero_dates: Literal["valid", "masked"] = "valid"
    """A date that is zero in every band and pixel: a measurement, or none, as the published code has it."""
