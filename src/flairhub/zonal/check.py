"""Whether rasters are what the weights were trained on and lie under the map.

Held against the contract: bands, types, pixel size, and five quantiles of the values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt
import rasterio

from flairhub.weights.contract import ModalityContract
from flairhub.zonal.job import Job
from flairhub.zonal.layers import RasterLayer, measured
from flairhub.zonal.rasters import placed
from flairhub.zonal.windows import Window

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_NORMAL = np.array([-1.645, -0.674, 0.0, 0.674, 1.645])
"""The same quantiles of a normal distribution: what training data of this mean and spread would have, about."""
COARSEST = 4.0
"""Pixels this many times as large as the model's hold too little of what it looks for."""
_FAR = 4.0
"""A median this many standard deviations from the training mean is no scene of the same kind."""
_FLAT = 0.02
"""Least spread between the outer quantiles, in training standard deviations."""
_FEW = 256
"""Pixels among which a spread says nothing."""
_WILD = 12.0
"""Greatest spread."""
_SWAPPED = 0.4
"""Another order of bands is suspected where it fits so many times as well."""
_NEARLY = 0.99
"""Share of a map from which an input counts as there: borders differ by a pixel where grids do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that differs from the contract."""

    severe: bool
    """Whether a map would mean nothing."""
    text: str


def check_pixels(
    modality: str, contract: ModalityContract, pixel: float, dtypes: Sequence[str], *, resampled: bool = True
) -> Iterator[Finding]:
    """Type and size of pixels.

    Args:
        modality: the input.
        contract: of the weights.
        pixel: ground sampling distance of the raster, metres.
        dtypes: NumPy dtypes of the raster's bands.
        resampled: whether the raster is brought to the model's pixels; otherwise somebody chose its own.
    """
    dtype = dtypes[0]
    if dtype != contract.dtype:
        bytewise = "uint8" in (dtype, contract.dtype)
        yield Finding(
            bytewise,
            f"{modality}: expected values of type {contract.dtype} ({contract.unit}), but the raster has {dtype}"
            + (", another range" if bytewise else ""),
        )
    ratio = pixel / contract.gsd_m
    if ratio > COARSEST:
        yield Finding(
            resampled and modality != "DEM_ELEV",  # heights between coarse points are heights
            f"{modality}: expected pixels of about {contract.gsd_m:g} m, but the raster has {pixel:g} m, "
            f"{ratio:.0f} times as large",
        )


def check_values(modality: str, contract: ModalityContract, layers: Sequence[RasterLayer]) -> Iterator[Finding]:
    """Quantiles of a sample of the raster's values against the means and spreads of training.

    Args:
        modality: the input.
        contract: of the weights.
        layers: rasters of the input.
    """
    if contract.means is None or contract.stds is None:
        return
    values = _samples(layers, contract.bands)
    names = [name for name in contract.bands if name in values]
    if not names:
        yield Finding(True, f"{modality}: expected pixels with data, but the sample of the raster holds none")
        return
    moments = {name: (mean, std) for name, mean, std in zip(contract.bands, contract.means, contract.stds, strict=True)}
    scores = {name: np.quantile(values[name], QUANTILES) for name in names}
    strange = [
        name
        for name in names
        if _strange((scores[name] - moments[name][0]) / moments[name][1], few=len(values[name]) < _FEW)
    ]
    for name in strange:
        quantiles = ", ".join(f"{value:.4g}" for value in scores[name])
        yield Finding(
            modality != "DEM_ELEV",  # altitudes differ between places
            f"{modality} band {name}: expected values around {moments[name][0]:.4g} +- {moments[name][1]:.4g} as in "
            f"training, but the 5, 25, 50, 75 and 95 % quantiles are {quantiles}: other units or scale",
        )
    if not strange and 1 < len(names) <= 4 and len(values[names[0]]) >= _FEW:
        order = _better_order(names, scores, moments)
        if order is not None:
            yield Finding(
                True,
                f"{modality}: expected bands {', '.join(names)}, but their values look like {', '.join(order)}: "
                "bands are swapped; name them with --bands",
            )


def _samples(layers: Sequence[RasterLayer], wanted: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
    """Values of each wanted band; pixels that are zero in every band are left out, be they declared missing or not."""
    samples = {}
    for layer in layers:
        values = measured(layer)
        values = values.reshape(max(1, len(layer.dates)), len(layer.bands), values.shape[1])
        for number, name in enumerate(layer.bands):
            band = values[:, number]
            kept = ~np.isnan(band) & (np.nan_to_num(values) != 0).any(axis=1)
            if name in wanted and kept.any():
                samples[name] = band[kept]
    return samples


def _strange(z: npt.NDArray[np.float64], *, few: bool) -> bool:
    return bool(abs(z[2]) > _FAR or not (few or _FLAT < z[4] - z[0] < _WILD))


def _better_order(
    names: Sequence[str], scores: dict[str, npt.NDArray[np.float64]], moments: dict[str, tuple[float, float]]
) -> tuple[str, ...] | None:
    """Names under which the values fit the training far better; None where there are none."""
    cost = {
        (name, as_name): float(np.abs((scores[name] - moments[as_name][0]) / moments[as_name][1] - _NORMAL).mean())
        for name in names
        for as_name in names
    }
    own = sum(cost[name, name] for name in names)
    best = min(permutations(names), key=lambda order: sum(cost[pair] for pair in zip(names, order, strict=True)))
    fits = sum(cost[pair] for pair in zip(names, best, strict=True))
    return tuple(best) if own > len(names) and fits < _SWAPPED * own else None


def check_coverage(job: Job) -> Iterator[Finding]:
    """Inputs that lie beside the map, or under a part of it; what they lack is filled with means.

    Severe where a raster does not meet the map at all: the model would see one constant everywhere.
    """
    for name, layers in job.inputs.items():
        lattice = job.lattice(name)
        side = job.sides[name] / job.tile
        above, before = (round(-axis.start(0) * side) for axis in (job.tiling.rows, job.tiling.columns))
        whole = Window(above, before, max(1, round(job.grid.height * side)), max(1, round(job.grid.width * side)))
        for layer in layers:
            with rasterio.open(layer.path) as raster:
                place = placed(raster, lattice)[0]
            inside = place.within(whole)
            share = inside.height * inside.width / (whole.height * whole.width)
            bands = f" ({', '.join(layer.bands)})" if len(layers) > 1 else ""
            if share == 0:
                yield Finding(True, f"{name}{bands}: expected a raster that meets the map, but it lies beside it")
            elif share < _NEARLY:
                yield Finding(False, f"{name}{bands}: covers {share:.0%} of the map; elsewhere the model sees its mean")
