"""One patch for a picture: its rasters, its calendars, and the arithmetic between them and pixels on a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flairhub.archives.raster import Raster, read_raster
from flairhub.archives.reader import PatchReader
from flairhub.archives.validity import with_gaps
from flairhub.catalog.modalities import LABELS, MODALITIES, SERIES_INPUTS
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.config.inputs import CloudFilter
from flairhub.errors import DataError, MissingFileError
from flairhub.facts.calendars import read_calendars
from flairhub.facts.tables import iter_patches

Values = npt.NDArray[np.float64]

BLANK = 0.9
"""Grey level of a pixel without a value."""

PURE = 0.75
"""Share of a Sentinel pixel that a class must cover to be shown by it."""

_LABEL_VALUES, _ROUNDING = 256, 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesDates:
    """Dates of one patch's series, in file order."""

    dates: tuple[str, ...]
    """YYYYMMDD; empty where the metadata does not know it."""
    cloudy: tuple[bool, ...] | None = None
    """Dates that the cloud filter rejects; None without a cloud mask."""

    @property
    def known(self) -> bool:
        """Whether every date is known."""
        return all(self.dates)


def choose_patch(index: Path, patches: Iterable[str]) -> str:
    """The patch with the most label classes (COSIA, and LPIS level 1); of equals, the first by name.

    Args:
        index: folder of the index stage.
        patches: candidates, e.g. those of the split tables.

    Raises:
        DataError: there is no candidate.
    """
    scores = dict.fromkeys(patches, 0)
    for part in iter_patches(index, LABELS, ["patch_id", "label_counts"]):
        counts = part.column("label_counts")
        for patch, count in zip(part.column("patch_id").to_pylist(), counts, strict=True):
            if patch in scores and count.is_valid:
                scores[patch] += int(np.count_nonzero(count.values.to_numpy()[:_LABEL_VALUES]))
    if not scores:
        raise DataError("Expected patches in the split tables, but there are none; run the split stage.")
    return min(scores, key=lambda patch: (-scores[patch], patch))


def series_dates(index: Path, patch_id: str, cloud: CloudFilter) -> dict[str, SeriesDates]:
    """Calendars of the patch's series, as far as it has them.

    Args:
        index: folder of the index stage, whose `clear_share` was counted with the limits of `cloud`.
        patch_id: the patch.
        cloud: decides which dates are called cloudy; its `enabled` does not matter here.
    """
    calendars = {}
    for series in SERIES_INPUTS:
        lengths = _part(index / "patches", patch_id, series, "num_dates")
        if not len(lengths) or np.isnan(lengths[0]):
            continue
        calendar = read_calendars(index, series, [patch_id], np.array([int(lengths[0])]))[0]
        companion = MODALITIES[series].companion
        clear = _part(index / "dates", patch_id, companion, "clear_share") if companion else np.empty(0)
        limit = 1 - cloud.max_fraction_covered - _ROUNDING
        # A date without a share (NaN) is not known to be clear.
        cloudy = tuple(not share >= limit for share in clear) if len(clear) == len(calendar) else None
        calendars[series] = SeriesDates(dates=calendar, cloudy=cloudy)
    return calendars


def _part(folder: Path, patch_id: str, modality: str, column: str) -> Values:
    """One column of the patch's rows in its archive's part; empty without such a part."""
    import pyarrow.parquet as pq

    path = folder / f"{archive_of(parse_patch_id(patch_id), modality)}.parquet"
    if not path.is_file():
        return np.empty(0)
    table = pq.read_table(path, columns=[column], filters=[("patch_id", "=", patch_id)])
    values: Values = table.column(column).to_pandas().to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def read_layers(reader: PatchReader, patch_id: str) -> dict[str, Raster]:
    """Every layer that the patch has, by modality.

    Raises:
        DataError: `patch_id` is no patch id, or a raster is unreadable.
        MissingFileError: the patch has no layer at all.
    """
    layers = layers_there(reader, patch_id, MODALITIES)
    if not layers:
        raise MissingFileError(
            f"Expected a patch of the archives in {reader.folder}, but {patch_id} has no layer there; "
            "take a name from data/splits/, or run `flairhub pull`."
        )
    return layers


def layers_there(reader: PatchReader, patch_id: str, modalities: Iterable[str]) -> dict[str, Raster]:
    """Those of the modalities that the patch has."""
    patch = parse_patch_id(patch_id)
    layers = {}
    for modality in modalities:
        try:
            data = reader.read(archive_of(patch, modality), member_of(patch, modality))
        except MissingFileError:
            continue
        layers[modality] = read_raster(data)
    return layers


def values_of(raster: Raster, modality: str) -> Values:
    """[bands, H, W] in the file's unit, NaN where a pixel has no value (`archives.validity`)."""
    return with_gaps(raster.array, modality, raster.nodata).astype(np.float64)


def cube_of(raster: Raster, modality: str) -> Values:
    """[T, C, H, W] of a series, as `values_of`.

    Raises:
        DataError: the number of bands is no multiple of the modality's.
    """
    bands = len(MODALITIES[modality].bands)
    values = values_of(raster, modality)
    if values.shape[0] % bands:
        raise DataError(f"{modality}: expected a multiple of {bands} bands, but got {values.shape[0]}.")
    return values.reshape(-1, bands, *values.shape[1:])


def bands_of(modality: str, *names: str) -> list[int]:
    """0-based positions of bands by name."""
    return [MODALITIES[modality].bands.index(name) for name in names]


def limits_of(bands: Values, *, shared: bool = False) -> Values:
    """2nd and 98th percentile of each band, or of all bands together so that colours stay true.

    Args:
        bands: [C, ...].
        shared: whether the bands share their limits.

    Returns:
        [2, C], low and high; NaN for a band without values.
    """
    if shared:
        return np.repeat(limits_of(bands.reshape(1, -1)), len(bands), axis=1)
    flat = bands.reshape(bands.shape[0], -1)
    limits = np.full((2, bands.shape[0]), np.nan)
    for number, band in enumerate(flat):
        present = band[np.isfinite(band)]
        if present.size:
            limits[:, number] = np.percentile(present, [2, 98])
    return limits


def to_rgb(bands: Values, limits: Values) -> Values:
    """A picture [H, W, 3] in 0..1 of three bands (or one, in grey), linear between the limits.

    A pixel that misses a band is grey (`BLANK`).
    """
    low, high = limits[:, :, None, None]
    span = np.where(high > low, high - low, 1.0)
    scaled = np.clip((bands - low) / span, 0, 1)
    if len(scaled) == 1:
        scaled = np.repeat(scaled, 3, axis=0)
    blank = ~np.isfinite(scaled).all(axis=0)
    return np.where(blank[:, :, None], BLANK, scaled.transpose(1, 2, 0))


def radar_composite(backscatter: Values) -> Values:
    """VV, VH and VV / VH in decibel [3, H, W], from linear VV, VH [2, H, W]; NaN where either is not positive."""
    positive = np.where((backscatter > 0).all(axis=0), backscatter, np.nan)
    decibel = 10 * np.log10(positive)
    return np.concatenate([decibel, decibel[:1] - decibel[1:]])


def ndvi_of(cube: Values) -> Values:
    """NDVI [T, H, W] of a Sentinel-2 cube [T, 10, H, W]; NaN where both bands are zero or one is missing."""
    near, red = (cube[:, band] for band in bands_of("SENTINEL2_TS", "B08", "B04"))
    total = near + red
    return np.divide(near - red, total, out=np.full_like(total, np.nan), where=total != 0)


def class_shares(label: npt.NDArray[np.uint8], size: tuple[int, int], num_classes: int) -> Values:
    """Share of each class in each pixel of a coarser grid over the same ground, by the centres of label pixels.

    Args:
        label: [H, W] class indices.
        size: rows and columns of the coarser grid.
        num_classes: number of classes.

    Returns:
        [num_classes, rows, columns]; 0 where no centre falls into a pixel.
    """
    height, width = label.shape
    rows = (np.arange(height) * 2 + 1) * size[0] // (2 * height)
    columns = (np.arange(width) * 2 + 1) * size[1] // (2 * width)
    cells = rows[:, None] * size[1] + columns[None, :]
    flat = label.astype(np.int64).ravel() * (size[0] * size[1]) + cells.ravel()
    counts = np.bincount(flat, minlength=num_classes * size[0] * size[1]).reshape(num_classes, *size)
    total = counts.sum(axis=0)
    shares: Values = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    return shares


def pick_dates(calendar: SeriesDates, count: int) -> list[int]:
    """Positions of `count` dates spread over the calendar, clear ones where there are any, in time order.

    The targets are the middles of `count` equal parts of the time covered (of the order where dates are unknown).
    """
    days = day_numbers(calendar)
    cloudy = calendar.cloudy or (False,) * len(days)
    clear = [place for place, hidden in enumerate(cloudy) if not hidden]
    pool = clear if len(clear) >= count else list(range(len(days)))
    low, high = float(days.min()), float(days.max())
    chosen: list[int] = []
    for part in range(count):
        target = low + (high - low) * (part + 0.5) / count
        left = [place for place in pool if place not in chosen]
        if left:
            chosen.append(min(left, key=lambda place: (abs(days[place] - target), place)))
    return sorted(chosen, key=lambda place: (days[place], place))


def day_numbers(calendar: SeriesDates) -> Values:
    """Days since 1970 of each date; its position where not all dates are known."""
    if not calendar.known:
        return np.arange(len(calendar.dates), dtype=np.float64)
    iso = [f"{date[:4]}-{date[4:6]}-{date[6:]}" for date in calendar.dates]
    return np.array(iso, dtype="datetime64[D]").astype(np.float64)
