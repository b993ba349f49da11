"""Parameters of the data stages: pull, index, audit, split, stats."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from flairhub.config.base import Section


class SampleParams(Section):
    """The embedded data set, drawn by a seeded generator."""

    seed: int = Field(ge=0)
    """Seed of the landscape."""
    train_domains: int = Field(ge=1)
    """Domains for training and validation."""
    test_domains: int = Field(ge=1)
    """Domains for the test split."""
    rois_per_domain: int = Field(ge=1)
    """Regions of interest per domain."""
    patches_per_roi: int = Field(ge=1)
    """Patches per region of interest, cut from one continuous scene."""
    valid_share: float = Field(gt=0, lt=1)
    """Share of the training domains' ROIs that is used for validation."""
    aerial_px: int = Field(ge=32)
    """Side of aerial, elevation and label patches, pixels (512 in the published set)."""
    dates: int = Field(ge=4, le=180)
    """Largest number of Sentinel-2 dates of a ROI; each Sentinel-1 orbit has up to as many."""


class UrlParams(Section):
    """One zip over HTTP, e.g. the official toy set."""

    address: str
    """http(s) address of the zip."""
    sha256: str | None
    """Checksum of the zip; null: taken from the first download and kept in the manifest."""


class HuggingFaceParams(Section):
    """The published data set."""

    repo: str
    """Data set repository on the Hub."""
    revision: str
    """Pinned commit."""


class SubsetParams(Section):
    """Which part of a source is used: archives by layer, domain and year, and in them regions of interest."""

    rows: tuple[str, ...] | None
    """Rows of the published benchmark whose layers are used, e.g. [LC-G]; null: not by row."""
    modalities: tuple[str, ...] | None
    """Layers to use (inputs, masks, labels), beside those of the rows; null: all, where no row is named either."""
    domains: tuple[str, ...] | None
    """Domains or domain-years, e.g. [D012, D068-2021]; null: all that the source has."""
    years: tuple[int, ...] | None
    """Years of the aerial campaigns, e.g. [2019, 2020]; null: all."""
    rois: float = Field(gt=0, le=1)
    """Share of the regions of interest. Whether one is used follows from the seed and its own name, so that a larger
    share holds every smaller one, and other data change nothing."""
    seed: int
    """Of the draw of regions."""


class DataParams(Section):
    """Where archives come from and which of them are wanted."""

    source: Literal["sample", "local", "url", "huggingface"]
    """`sample` is embedded and works offline; `local` is a folder chosen by `flairhub use local --data PATH`."""
    subset: SubsetParams
    """The part of the source that is used."""
    sample: SampleParams
    """For source `sample`."""
    url: UrlParams
    """For source `url`."""
    huggingface: HuggingFaceParams
    """For source `huggingface`."""


Severity = Literal["error", "warn"]
Policy = Literal["fail", "drop", "keep"]


class AuditCheck(Section):
    """What happens when a check of the audit does not hold."""

    severity: Severity
    """`error` stops the next stage, `warn` is only reported."""
    policy: Policy
    """`fail`: nothing is used; `drop`: the patch, modality or date concerned is left out; `keep`: used anyway."""


class AuditException(Section):
    """Another severity or policy than a check's own; what is not given stays as it is."""

    severity: Severity | None = None
    policy: Policy | None = None


class AuditParams(Section):
    """Great Expectations' checks of the table of facts."""

    checks: dict[str, AuditException | None]
    """Check name -> how it differs from its own severity and policy; null: it does not run. `flairhub audit` lists
    all."""
    max_nodata_share: float = Field(ge=0, le=1)
    """Largest share of nodata or non-finite pixels of a mono-date raster."""
    min_polarisation_gap: float
    """Smallest mean ratio VV / VH of a Sentinel-1 date that is plausible (linear scale)."""


class SplitParams(Section):
    """Which patch belongs to train, valid and test."""

    method: Literal["column", "csv", "domain", "roi"]
    """A column of GLOBAL_ALL_MTD_SPLIT.gpkg, given CSV files, or drawn by domain or by ROI."""
    column: str
    """For `column`: e.g. split_1."""
    csv: dict[Literal["train", "valid", "test"], str] | None
    """For `csv`: paths of the reference's CSV files, relative to the repository."""
    unit: Literal["patch", "roi", "domain"]
    """Test must be disjoint from train and valid at this unit."""
    seed: int
    """For `domain` and `roi`: seed of the draw."""
    shares: dict[Literal["train", "valid", "test"], float]
    """For `domain` and `roi`: shares of the units."""


class StatsParams(Section):
    """Which pixels count in the band statistics."""

    skip_zero: dict[str, bool]
    """Modality -> leave out exact zeros (no acquisition in Sentinel-1)."""
    skip_cloudy: bool
    """Leave out Sentinel-2 dates that the cloud filter rejects."""
