"""What stands for gaps in inputs whose training had no means: a value of the raster's, the same for every tile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from flairhub.catalog.modalities import HEIGHT, MODALITIES
from flairhub.weights.contract import WeightsContract
from flairhub.zonal.layers import RasterLayer, measured


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
