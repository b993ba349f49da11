"""The input modalities and label layers of FLAIR-HUB: names, bands, units and nominal sizes.

Sources: data set README and site, and arXiv 2506.07080. Pixel sizes and GSD are those of the published
set; real files may differ and are always read from the data.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

HEIGHT = "HEIGHT"
"""Name of the band derived from DEM_ELEV: DSM - DTM, metres."""


ModalityKind = Literal["mono", "series", "mask", "label"]


FOOTPRINT_M = 102.4
"""Side of a published patch on the ground, metres; the same for every modality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modality:
    """One raster layer of the data set."""

    name: str
    """Exact token used in file and folder names."""
    kind: ModalityKind
    """`mono`: one date, `series`: time series, `mask`: companion of a series, `label`: class map."""
    bands: tuple[str, ...]
    """Band names in file order (for a series: of one date)."""
    dtype: str
    """Nominal NumPy dtype of the files."""
    gsd_m: float
    """Nominal ground sampling distance, metres."""
    size_px: int
    """Nominal side of a patch, pixels."""
    unit: str
    """Physical unit of the values."""
    historical: bool = False
    """Whether file names carry `195X` instead of the year of the patch."""
    dates_file: str | None = None
    """Name of the GeoPackage with the acquisition dates, under `GLOBAL_ALL_MTD/`."""
    companion: str | None = None
    """For a series: the mask modality with the same dates."""

    @property
    def is_series(self) -> bool:
        """Whether a file stacks several dates (time-major: band t*C + c)."""
        return self.kind in {"series", "mask"}


S2_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")


_ALL = (
    Modality(
        name="AERIAL_RGBI",
        kind="mono",
        bands=("R", "G", "B", "NIR"),
        dtype="uint8",
        gsd_m=0.2,
        size_px=512,
        unit="digital number 0..255",
        dates_file="GLOBAL_AERIAL_MTD_DATES.gpkg",
    ),
    Modality(
        name="AERIAL-RLT_PAN",
        kind="mono",
        bands=("PAN",),
        dtype="uint8",
        gsd_m=0.4,
        size_px=256,
        unit="digital number 0..255",
        historical=True,
        dates_file="GLOBAL_AERIAL-RLT_MTD_DATES.gpkg",
    ),
    Modality(
        name="DEM_ELEV",
        kind="mono",
        bands=("DSM", "DTM"),
        dtype="float32",
        gsd_m=0.2,
        size_px=512,
        unit="metre",
    ),
    Modality(
        name="SPOT_RGBI",
        kind="mono",
        bands=("R", "G", "B", "NIR"),
        dtype="uint16",
        gsd_m=1.6,
        size_px=64,
        unit="calibrated reflectance, integer scaled",
        dates_file="GLOBAL_SPOT_MTD_DATES.gpkg",
    ),
    Modality(
        name="SENTINEL2_TS",
        kind="series",
        bands=S2_BANDS,
        dtype="uint16",
        gsd_m=10.24,
        size_px=10,
        unit="reflectance x 10000",
        dates_file="GLOBAL_SENTINEL2_MTD_DATES.gpkg",
        companion="SENTINEL2_MSK-SC",
    ),
    *(
        Modality(
            name=f"SENTINEL1-{orbit}_TS",
            kind="series",
            bands=("VV", "VH"),
            dtype="float32",
            gsd_m=10.24,
            size_px=10,
            unit="sigma0, linear",
            dates_file=f"GLOBAL_SENTINEL1-{orbit}_MTD_DATES.gpkg",
        )
        for orbit in ("ASC", "DESC")
    ),
    Modality(
        name="SENTINEL2_MSK-SC",
        kind="mask",
        bands=("SNOW", "CLOUD"),
        dtype="uint16",
        gsd_m=10.24,
        size_px=10,
        unit="probability 0..100",
        dates_file="GLOBAL_SENTINEL2_MTD_DATES.gpkg",
    ),
    *(
        Modality(name=name, kind="label", bands=bands, dtype="uint8", gsd_m=0.2, size_px=512, unit="class index")
        for name, bands in (("AERIAL_LABEL-COSIA", ("CLASS",)), ("ALL_LABEL-LPIS", ("LEVEL1", "LEVEL2", "LEVEL3")))
    ),
)


MODALITIES: dict[str, Modality] = {m.name: m for m in _ALL}
"""Every layer by name: inputs in the fusion order of the published model, then the mask, then labels."""


INPUTS: tuple[str, ...] = tuple(m.name for m in _ALL if m.kind in {"mono", "series"})
"""Names of the seven network inputs, in encoder order."""


MONO_INPUTS: tuple[str, ...] = tuple(m.name for m in _ALL if m.kind == "mono")
"""Mono-date inputs in the order that decides which one sets the fusion resolution."""


SERIES_INPUTS: tuple[str, ...] = tuple(m.name for m in _ALL if m.kind == "series")
"""Time-series inputs."""


LABELS: tuple[str, ...] = tuple(m.name for m in _ALL if m.kind == "label")
"""Label layers, which are also the names of the tasks."""


METADATA_ARCHIVE = "GLOBAL_ALL_MTD"
"""Folder (and zip, without suffix) that holds the GeoPackages of dates and splits."""


SPLIT_FILE = "GLOBAL_ALL_MTD_SPLIT.gpkg"
"""GeoPackage with the official split columns."""


def with_companions(names: Collection[str]) -> list[str]:
    """These layers and the masks that come along with series, in the catalog's order."""
    wanted = {*names, *(MODALITIES[name].companion for name in names)}
    return [name for name in MODALITIES if name in wanted]
