"""What is given for an input: which raster, which of its bands are which, what in it is no data and stands for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from flairhub.archives.validity import find_missing
from flairhub.catalog.modalities import HEIGHT, MODALITIES
from flairhub.catalog.value_ranges import MISSING
from flairhub.errors import DataError
from flairhub.weights.contract import WeightsContract

_COLOURS = {
    ColorInterp.red: "R",
    ColorInterp.green: "G",
    ColorInterp.blue: "B",
    ColorInterp.gray: "PAN",
}
_WORDS = {"RED": "R", "GREEN": "G", "BLUE": "B", "INFRARED": "NIR", "NEAR INFRARED": "NIR", "NEAR-INFRARED": "NIR"}
_PROBES = 8
"""Windows along each side from which values are sampled."""
_PROBE_PX = 64
"""Side of such a window, pixels."""
BLACK_SHARE = 0.005
"""Least share of pixels that are zero in every band from which a collar without nodata tag is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterLayer:
    """One raster of an input."""

    modality: str
    path: str
    """As GDAL opens it."""
    bands: tuple[str, ...]
    """Names of the modality's bands that are in it."""
    indexes: tuple[int, ...]
    """1-based band of the raster for each of them, of the first date."""
    dates: tuple[str, ...] = ()
    """YYYYMMDD of a series, in the order of the raster."""
    nodata: float | None = None
    black: bool = False
    """Whether a collar of zeros in every band is no data though nothing says so."""

    @property
    def read_indexes(self) -> tuple[int, ...]:
        """1-based bands of all dates, time-major."""
        per_date = len(MODALITIES[self.modality].bands)
        return tuple(t * per_date + index for t in range(max(1, len(self.dates))) for index in self.indexes)


@contextmanager
def readable(raster: rasterio.DatasetReader) -> Iterator[None]:
    """Name the raster that cannot be read to its end.

    Raises:
        DataError: GDAL fails to read.
    """
    try:
        yield
    except RasterioError as error:
        raise DataError(
            f"{raster.name}: expected a raster that can be read everywhere, but got: {error.__cause__ or error}; is "
            "the file whole?"
        ) from None


def name_bands(modality: str, raster: rasterio.DatasetReader, given: tuple[str, ...] | None) -> tuple[str, ...]:
    """Names of a raster's bands of one date, in its order; an empty name for one that is no band of the modality.

    In this order: names that were given, descriptions of the bands, colours that the raster states, the modality's
    order.

    Raises:
        DataError: names that were given do not fit the raster.
    """
    known = MODALITIES[modality].bands
    count = len(known) if MODALITIES[modality].is_series else raster.count - (alpha_band(raster) is not None)
    if given is not None:
        unknown = [name for name in given if name and name not in known]
        if unknown or len(given) > count:
            raise DataError(
                f"{modality}: expected at most {count} bands out of {', '.join(known)} for {raster.name}, but got "
                f"{', '.join(given)}."
            )
        return given
    if MODALITIES[modality].is_series:
        return known
    described = tuple(_word(text, known) for text in raster.descriptions[:count])
    if any(described):
        return described
    if count == len(known):
        return known
    colours = tuple(_COLOURS.get(each, "") for each in raster.colorinterp[:count])
    if set(filter(None, colours)) & set(known) and count < len(known):
        return tuple(name if name in known else "" for name in colours)
    return known[:count]


def _word(text: str | None, known: Sequence[str]) -> str:
    word = (text or "").strip().upper()
    word = _WORDS.get(word, word)
    return word if word in known else ""


def alpha_band(raster: rasterio.DatasetReader) -> int | None:
    """1-based alpha band of a raster; GDAL itself takes it for a mask only among two or four bands."""
    return raster.colorinterp.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in raster.colorinterp else None


def has_mask(raster: rasterio.DatasetReader) -> bool:
    """Whether a raster has a mask that is no alpha band."""
    flags = raster.mask_flag_enums[0]
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def left_out(
    raster: rasterio.DatasetReader, area: RasterWindow, *, masked: bool, alpha: int | None
) -> npt.NDArray[np.bool_]:
    """`[H, W]`: pixels of a window that a raster's mask or its alpha band says are no data."""
    out = np.zeros((round(area.height), round(area.width)), np.bool_)
    if masked:
        out |= raster.dataset_mask(window=area) == 0
    if alpha is not None:
        out |= raster.read(alpha, window=area) == 0
    return out


def gap_value(layer: RasterLayer, raster: rasterio.DatasetReader) -> float | None:
    """The value that resampling must not mix into its neighbours: the tag, or else a declared one.

    GDAL takes one. Of those that are declared for the layer it is the most frequent of a sample.
    """
    wanted = (layer.nodata,) if layer.nodata is not None else MISSING.get(layer.modality, ())
    possible = [value for value in wanted if rasterio.dtypes.in_dtype_range(value, raster.dtypes[0])]
    if len(possible) < 2:
        return possible[0] if possible else None
    values = np.concatenate([each.ravel() for _, each in sample(raster, layer.indexes)])
    return max(possible, key=lambda value: int((values == values.dtype.type(value)).sum()))


def alpha_is_data(modality: str, raster: rasterio.DatasetReader) -> bool:
    """Whether a band that is called alpha is one of the modality: GDAL calls the fourth of four bytes so by default.

    A raster with no band too many has its alpha band as data, unless it holds nothing but 0 and 255.
    """
    index = alpha_band(raster)
    if index is None:
        return False
    known = MODALITIES[modality]
    if known.is_series:
        return True
    if raster.count > len(known.bands):
        return False
    values = np.unique(np.concatenate([each.ravel() for _, each in sample(raster, (index,))]))
    return not ({*values.tolist()} <= {0, 255} and 255 in values)


def sample(raster: rasterio.DatasetReader, indexes: Sequence[int]) -> list[tuple[bool, npt.NDArray[np.generic]]]:
    """Small windows spread over a raster, the corners included, without reading the rest.

    Returns:
        For each window, whether it lies at the raster's edge, and its values `[bands, h, w]`.
    """
    with readable(raster):
        return [(edge, raster.read(list(indexes), window=window)) for edge, window in _probes(raster)]


def measured(layer: RasterLayer) -> npt.NDArray[np.float64]:
    """Sampled pixels of a layer, NaN where a value is missing, masked or in a black collar: `[dates * bands, pixels]`.

    Pixels without a value in any band and date are left out.
    """
    with rasterio.open(layer.path) as raster, readable(raster):
        masked, alpha = has_mask(raster), alpha_band(raster)
        pieces = []
        for _, window in _probes(raster):
            values = raster.read(list(layer.read_indexes), window=window)
            gone = left_out(raster, window, masked=masked, alpha=alpha)
            if layer.black:
                gone |= (values == 0).all(axis=0)
            missing = find_missing(values, layer.modality, layer.nodata).mask
            numbers = values.astype(np.float64)
            if missing is not None:
                numbers[missing] = np.nan
            numbers[:, gone] = np.nan
            pieces.append(numbers.reshape(len(numbers), -1))
    values = np.concatenate(pieces, axis=1)
    return values[:, ~np.isnan(values).all(axis=0)]


def _probes(raster: rasterio.DatasetReader) -> Iterator[tuple[bool, RasterWindow]]:
    rows, columns = (
        sorted({max(0, round((length - _PROBE_PX) * k / (_PROBES - 1))) for k in range(_PROBES)})
        for length in raster.shape
    )
    height, width = min(_PROBE_PX, raster.height), min(_PROBE_PX, raster.width)
    for row in rows:
        for column in columns:
            edge = row in {rows[0], rows[-1]} or column in {columns[0], columns[-1]}
            yield edge, RasterWindow(column, row, width, height)


def looks_collared(samples: Sequence[tuple[bool, npt.NDArray[np.generic]]]) -> float:
    """Share of sampled pixels that are zero in every band, where they reach the raster's edge; else 0."""
    black = [(edge, (values == 0).all(axis=0)) for edge, values in samples]
    if not any(edge and mask.mean() > 0.25 for edge, mask in black):
        return 0.0
    share = float(np.concatenate([mask.ravel() for _, mask in black]).mean())
    return share if BLACK_SHARE <= share < 1 else 0.0


def gap_means(contract: WeightsContract, inputs: Mapping[str, Sequence[RasterLayer]]) -> dict[str, tuple[float, ...]]:
    """Mean of a sample of the raster per band, of inputs of one date for whose gaps the contract has no mean.

    Training takes the mean of a patch there, which for a map would be that of a tile: the map would show its tiles.

    Args:
        contract: of the weights.
        inputs: rasters of every input.

    Returns:
        Input -> per band of its contract, in the raster's unit; 0 where the sample holds no value.
    """
    return {
        name: _means(item.bands, inputs[name])
        for name, item in contract.modalities.items()
        if item.means is None and not MODALITIES[name].is_series
    }


def _means(bands: Sequence[str], layers: Sequence[RasterLayer]) -> tuple[float, ...]:
    means: dict[str, float] = {}
    for layer in layers:
        planes = dict(zip(layer.bands, measured(layer), strict=True))
        if {"DSM", "DTM"} <= planes.keys():
            planes[HEIGHT] = planes["DSM"] - planes["DTM"]
        means |= {name: _mean(values) for name, values in planes.items()}
    if HEIGHT not in means:
        means[HEIGHT] = means.get("DSM", 0.0) - means.get("DTM", 0.0)
    return tuple(means.get(name, 0.0) for name in bands)


def _mean(values: npt.NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else 0.0
