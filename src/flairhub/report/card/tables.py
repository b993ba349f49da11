"""Tables and sentences of a model card, as plain text cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flairhub.catalog.modalities import HEIGHT, MODALITIES
from flairhub.weights.contract import ModalityContract, WeightsContract

_FIGURES = {
    "oa": "overall accuracy (O.A.)",
    "miou": "mean IoU (mIoU)",
    "fscore": "mean F-score",
    "precision": "mean precision",
    "recall": "mean recall",
}
_PER_CLASS = ("iou", "fscore", "precision", "recall")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLine:
    """One input of the network."""

    modality: str
    series: bool
    bands: tuple[str, ...]
    shape: tuple[int, ...]
    """Shape of one patch without dates: bands, height, width."""
    gsd: str
    """Metres."""
    dtype: str
    unit: str
    normalisation: str
    """As a formula."""
    moments: tuple[tuple[str, str, str], ...]
    """(band, mean, standard deviation); empty where values are not standardised."""


def input_lines(contract: WeightsContract) -> list[InputLine]:
    """The inputs in network order."""
    return [
        InputLine(
            modality=name,
            series=MODALITIES[name].is_series,
            bands=item.bands,
            shape=(len(item.bands), item.height, item.width),
            gsd=f"{item.gsd_m:g}",
            dtype=item.dtype,
            unit=item.unit,
            normalisation=_formula(item),
            moments=_moments(item),
        )
        for name, item in contract.modalities.items()
    ]


def _formula(item: ModalityContract) -> str:
    if item.normalisation == "scaling":
        return f"value / {item.scale:g}"
    return "(value - mean) / std per band" if item.normalisation == "custom" else "none"


def _moments(item: ModalityContract) -> tuple[tuple[str, str, str], ...]:
    if item.normalisation != "custom" or item.means is None or item.stds is None:
        return ()
    return tuple((b, f"{m:.6g}", f"{s:.6g}") for b, m, s in zip(item.bands, item.means, item.stds, strict=True))


def preparation(contract: WeightsContract) -> list[str]:
    """What happens to the files' values before normalisation, one sentence each."""
    settings = contract.preprocessing
    found = []
    if any(HEIGHT in item.bands for item in contract.modalities.values()):
        found.append(f"`{HEIGHT}` is DSM - DTM, computed from both bands of the file.")
    series = [name for name in contract.modalities if MODALITIES[name].is_series]
    if not series:
        return [*found, f"The reference date {contract.ref_date} is for time series; this model has none."]
    found.append(
        f"Reference date {contract.ref_date} (month-day): a date enters as its signed distance in days to that day of "
        "its own year."
    )
    clouds = settings.get("filter_sentinel2", {})
    if clouds.get("enabled") and "SENTINEL2_TS" in series:
        found.append(
            f"A Sentinel-2 date is used while at most {100 * clouds['max_fraction_covered']:g} % of its pixels have a "
            f"cloud probability above {clouds['max_cloud']:g} or a snow probability above {clouds['max_snow']:g} "
            "(0..100)."
        )
    if settings.get("max_dates") is not None:
        found.append(f"At most {settings['max_dates']} dates of a series are used, spread evenly.")
    for sensor in ("sentinel1", "sentinel2"):
        period = settings.get(f"temporal_average_{sensor}")
        if period is not None and any(name.lower().startswith(sensor) for name in series):
            found.append(f"Dates of {sensor.capitalize()} are averaged: {period}.")
    return found


def result_lines(figures: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(figure, value, interval) of a task under the published protocol, percent."""
    published, intervals = figures["protocols"]["published"], figures["intervals"]["roi"]
    return [
        (label, _percent(published.get(name)), _interval(intervals.get(name)))
        for name, label in _FIGURES.items()
        if name in published
    ]


def class_lines(figures: Mapping[str, Any], colours: Sequence[str]) -> list[tuple[str, ...]]:
    """(value, class, colour, IoU, F-score, precision, recall); unscored classes say so."""
    per_class = figures["protocols"]["published"]["per_class"]
    position = {value: place for place, value in enumerate(figures["scored"])}
    return [
        (
            str(value),
            _escaped(name),
            colour,
            *(
                _percent(per_class[figure][position[value]]) if value in position else "not scored"
                for figure in _PER_CLASS
            ),
        )
        for value, (name, colour) in enumerate(zip(figures["classes"], colours, strict=True))
    ]


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"


def _interval(ends: Sequence[float] | None) -> str:
    return "-" if ends is None else f"{ends[0]:.2f} to {ends[1]:.2f}"


def _escaped(text: str) -> str:
    """Text inside a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("_", "\\_")
