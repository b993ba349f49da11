"""Tables and sentences of a model card, as plain text cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flairhub.catalog.modalities import HEIGHT, MODALITIES
from flairhub.records.details import Interval, TaskDetails, two_decimals
from flairhub.weights.contract import ModalityContract, WeightsContract

_FIGURES = {
    "oa": "overall accuracy (O.A.)",
    "miou": "mean IoU (mIoU)",
    "fscore": "mean F-score",
    "precision": "mean precision",
    "recall": "mean recall",
}


def input_lines(contract: WeightsContract) -> list[dict[str, Any]]:
    """The inputs in network order.

    Returns:
        Of each its modality, series (whether it is one), bands, shape of a patch without dates (bands, height, width),
        gsd (metres), dtype, unit, normalisation (a formula), and moments: (band, mean, standard deviation), none where
        values are not standardised.
    """
    return [
        {
            "modality": name,
            "series": MODALITIES[name].is_series,
            "bands": item.bands,
            "shape": (len(item.bands), item.height, item.width),
            "gsd": f"{item.gsd_m:g}",
            "dtype": item.dtype,
            "unit": item.unit,
            "normalisation": _formula(item),
            "moments": _moments(item),
        }
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
    sentences = []
    if any(HEIGHT in item.bands for item in contract.modalities.values()):
        sentences.append(f"`{HEIGHT}` is DSM - DTM, computed from both bands of the file.")
    series = [name for name in contract.modalities if MODALITIES[name].is_series]
    if not series:
        return [*sentences, f"The reference date {contract.ref_date} is for time series; this model has none."]
    sentences.append(
        f"Reference date {contract.ref_date} (month-day): a date enters as its signed distance in days to that day of "
        "its own year."
    )
    clouds = settings.get("filter_sentinel2", {})
    if clouds.get("enabled") and "SENTINEL2_TS" in series:
        sentences.append(
            f"A Sentinel-2 date is used while at most {100 * clouds['max_fraction_covered']:g} % of its pixels have a "
            f"cloud probability above {clouds['max_cloud']:g} or a snow probability above {clouds['max_snow']:g} "
            "(0..100)."
        )
    if settings.get("max_dates") is not None:
        sentences.append(f"At most {settings['max_dates']} dates of a series are used, spread evenly.")
    for sensor in ("sentinel1", "sentinel2"):
        period = settings.get(f"temporal_average_{sensor}")
        if period is not None and any(name.lower().startswith(sensor) for name in series):
            sentences.append(f"Dates of {sensor.capitalize()} are averaged: {period}.")
    return sentences


def result_lines(details: TaskDetails) -> list[tuple[str, str, str]]:
    """(figure, value, interval) of a task under the published protocol, percent."""
    intervals = details.intervals["roi"]
    return [
        (label, two_decimals(getattr(details.published, name)), _interval(getattr(intervals, name, None)))
        for name, label in _FIGURES.items()
    ]


def class_lines(details: TaskDetails, colours: Sequence[str]) -> list[tuple[str, ...]]:
    """(value, class, colour, IoU, F-score, precision, recall); unscored classes say so."""
    each = details.published.per_class
    columns = zip(each.iou, each.fscore, each.precision, each.recall, strict=True)
    figures = dict(zip(details.scored, columns, strict=True))
    return [
        (
            str(value),
            _escaped(name),
            colour,
            *(map(two_decimals, figures[value]) if value in figures else ["not scored"] * 4),
        )
        for value, (name, colour) in enumerate(zip(details.classes, colours, strict=True))
    ]


def _interval(ends: Interval | None) -> str:
    return "-" if ends is None else f"{ends.low:.2f} to {ends.high:.2f}"


def _escaped(text: str) -> str:
    """Text inside a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("_", "\\_")
