"""The panels of a patch's picture: which ones there are, and the image of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flairhub.archives.raster import Raster
from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.taxonomies import COSIA, LPIS, Taxonomy, taxonomy
from flairhub.errors import DataError
from flairhub.pictures.patch_layers import (
    PURE,
    SeriesDates,
    Values,
    bands_of,
    class_shares,
    cube_of,
    limits_of,
    ndvi_of,
    pick_dates,
    radar_composite,
    to_rgb,
    values_of,
)

AERIAL, HISTORICAL, ELEVATION, SPOT = "AERIAL_RGBI", "AERIAL-RLT_PAN", "DEM_ELEV", "SPOT_RGBI"
OPTICAL = "SENTINEL2_TS"
RADARS = {"SENTINEL1-ASC_TS": "ascending", "SENTINEL1-DESC_TS": "descending"}
SHORT = {COSIA: "COSIA", LPIS: "LPIS level 1"}

_FULL_8BIT = np.array([[0.0], [255.0]])
_MOST_CURVES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One square image."""

    title: str
    note: str
    """Second line of the heading."""
    image: Values
    """[H, W, 3] in 0..1, or [H, W] where `unit` is given."""
    cloudy: bool = False
    """Whether the cloud filter rejects this date."""
    unit: str | None = None
    """Unit of the values, shown with a colour bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegendGroup:
    """The classes of one label layer that occur in the patch, most frequent first."""

    title: str
    entries: tuple[tuple[str, str, float], ...]
    """Class name, `#rrggbb`, percent of the patch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """NDVI over the year."""

    name: str
    colour: str | None
    """Official colour; None for the mean of the whole patch."""
    num_pixels: int
    values: Values
    """[T] in file order; NaN without a value."""


def panels_of(layers: Mapping[str, Raster], dates: Mapping[str, SeriesDates]) -> list[Panel]:
    """Every image of the patch, in the order of the picture."""
    return [*_aerial(layers), *_coarse(layers), *_optical(layers, dates), *_radar(layers, dates), *_labels(layers)]


def _aerial(layers: Mapping[str, Raster]) -> Iterator[Panel]:
    if AERIAL in layers:
        raster = layers[AERIAL]
        values = values_of(raster, AERIAL)
        shown = {"aerial": ("R", "G", "B"), "aerial, NIR-R-G": ("NIR", "R", "G")}
        for title, names in shown.items():
            image = to_rgb(values[bands_of(AERIAL, *names)], np.repeat(_FULL_8BIT, 3, axis=1))
            yield Panel(title=title, note=_grid(raster), image=image)
    if HISTORICAL in layers:
        raster = layers[HISTORICAL]
        yield Panel(title="historical", note=_grid(raster), image=to_rgb(values_of(raster, HISTORICAL)[:1], _FULL_8BIT))


def _coarse(layers: Mapping[str, Raster]) -> Iterator[Panel]:
    if ELEVATION in layers:
        raster = layers[ELEVATION]
        surface, ground = values_of(raster, ELEVATION)[bands_of(ELEVATION, "DSM", "DTM")]
        yield Panel(title="height, DSM - DTM", note=_grid(raster), image=surface - ground, unit="m")
    if SPOT in layers:
        raster = layers[SPOT]
        bands = values_of(raster, SPOT)[bands_of(SPOT, "R", "G", "B")]
        yield Panel(title="SPOT", note=_grid(raster), image=to_rgb(bands, limits_of(bands, shared=True)))


def _optical(layers: Mapping[str, Raster], dates: Mapping[str, SeriesDates]) -> Iterator[Panel]:
    if OPTICAL not in layers:
        return
    cube, calendar = cube_of(layers[OPTICAL], OPTICAL), calendar_of(OPTICAL, layers, dates)
    chosen = pick_dates(calendar, 3)
    bands = cube[chosen][:, bands_of(OPTICAL, "B04", "B03", "B02")]
    limits = limits_of(bands.transpose(1, 0, 2, 3), shared=True)  # one stretch: the dates can be compared
    for place, image in zip(chosen, bands, strict=True):
        cloudy = calendar.cloudy is not None and calendar.cloudy[place]
        note = _date(calendar, place) + (", cloudy" if cloudy else "")
        yield Panel(title="Sentinel-2", note=note, image=to_rgb(image, limits), cloudy=cloudy)


def _radar(layers: Mapping[str, Raster], dates: Mapping[str, SeriesDates]) -> Iterator[Panel]:
    for series, orbit in RADARS.items():
        if series not in layers:
            continue
        cube, calendar = cube_of(layers[series], series), calendar_of(series, layers, dates)
        (place,) = pick_dates(calendar, 1)
        image = radar_composite(cube[place])
        note = f"{orbit}, {_date(calendar, place)}"
        yield Panel(title="Sentinel-1", note=note, image=to_rgb(image, limits_of(image)))


def calendar_of(series: str, layers: Mapping[str, Raster], dates: Mapping[str, SeriesDates]) -> SeriesDates:
    """The series' calendar; of unknown dates where none was given."""
    count = len(layers[series].array) // len(MODALITIES[series].bands)
    calendar = dates.get(series) or SeriesDates(dates=("",) * count)
    if len(calendar.dates) != count:
        raise DataError(f"{series}: expected {count} dates as in the file, but the calendar has {len(calendar.dates)}.")
    return calendar


def _date(calendar: SeriesDates, place: int) -> str:
    date = calendar.dates[place]
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if date else f"date {place + 1} of {len(calendar.dates)}"


def _labels(layers: Mapping[str, Raster]) -> Iterator[Panel]:
    for task in (COSIA, LPIS):
        if task in layers:
            kinds = taxonomy(task)
            colours = np.array([tuple(bytes.fromhex(colour[1:])) for colour in kinds.colours]) / 255
            image = colours[label_of(layers, task, kinds)]
            yield Panel(title=f"label, {SHORT[task]}", note=_grid(layers[task]), image=image)


def label_of(layers: Mapping[str, Raster], task: str, kinds: Taxonomy) -> npt.NDArray[np.uint8]:
    """Class indices [H, W] of the first level.

    Raises:
        DataError: a value is outside the taxonomy.
    """
    label: npt.NDArray[np.uint8] = layers[task].array[0]
    if int(label.max()) >= kinds.num_classes:
        raise DataError(f"{task}: expected values 0..{kinds.num_classes - 1}, but got {int(label.max())}.")
    return label


def legend_of(layers: Mapping[str, Raster]) -> list[LegendGroup]:
    """The classes that occur in the patch, per label layer."""
    groups = []
    for task in (COSIA, LPIS):
        if task in layers:
            kinds = taxonomy(task)
            label = label_of(layers, task, kinds)
            shares = 100 * np.bincount(label.ravel(), minlength=kinds.num_classes) / label.size
            present = sorted(np.flatnonzero(shares).tolist(), key=lambda index: (-shares[index], index))
            entries = tuple((kinds.classes[k].replace("_", " "), kinds.colours[k], float(shares[k])) for k in present)
            groups.append(LegendGroup(title=SHORT[task], entries=entries))
    return groups


def curves_of(layers: Mapping[str, Raster]) -> list[Curve]:
    """NDVI of the crops with the most Sentinel-2 pixels of their own; of the whole patch where no crop has one."""
    if OPTICAL not in layers:
        return []
    ndvi = ndvi_of(cube_of(layers[OPTICAL], OPTICAL))
    curves: list[Curve] = []
    if LPIS in layers:
        kinds = taxonomy(LPIS)
        pure = class_shares(label_of(layers, LPIS, kinds), ndvi.shape[1:], kinds.num_classes) >= PURE
        counts = pure.sum(axis=(1, 2))
        crops = [
            k for k in np.argsort(-counts, kind="stable").tolist() if counts[k] and kinds.classes[k] != "background"
        ]
        curves = [
            Curve(
                name=kinds.classes[k],
                colour=kinds.colours[k],
                num_pixels=int(counts[k]),
                values=_mean(ndvi[:, pure[k]]),
            )
            for k in crops[:_MOST_CURVES]
        ]
    everything = ndvi.reshape(len(ndvi), -1)
    return curves or [Curve(name="whole patch", colour=None, num_pixels=everything.shape[1], values=_mean(everything))]


def _mean(values: Values) -> Values:
    """Mean of the finite values of each row; NaN where there are none."""
    finite = np.isfinite(values)
    count = finite.sum(axis=1)
    total = np.where(finite, values, 0).sum(axis=1)
    means: Values = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return means


def _grid(raster: Raster) -> str:
    width = raster.array.shape[2]
    left, _, right, _ = raster.bounds
    return f"{width} px of {(right - left) / width:.3g} m"
