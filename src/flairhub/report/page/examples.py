"""Example patches: every layer, the label, and what each row predicted, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flairhub.archives.raster import Raster
from flairhub.archives.reader import PatchReader
from flairhub.catalog.modalities import LABELS, MODALITIES
from flairhub.catalog.names import archive_of, parse_patch_id
from flairhub.catalog.taxonomies import Taxonomy, taxonomy
from flairhub.config.inputs import CloudFilter
from flairhub.errors import DataError, MissingFileError
from flairhub.maps.examples import example_path
from flairhub.maps.geotiff import ClassMap, read_prediction
from flairhub.pictures.images import class_uri, photo_uri
from flairhub.pictures.patch_layers import BLANK, layers_there, series_dates
from flairhub.pictures.patch_panels import Panel, panels_of
from flairhub.report.page.sources import PageSources
from flairhub.report.table import Section
from flairhub.report.text import decimals

MOST_PATCHES = 6
"""Patches on the page; those that most rows share come first."""

RIGHT, WRONG, UNSCORED = "#dfe6e8", "#b3261e", "#8d969b"
"""Colours of the error maps."""


def choose_examples(sections: Iterable[Section], sources: PageSources) -> tuple[list[str], int]:
    """The patches that most rows kept a prediction of, by name, and for how many others the page has no room."""
    shared: Counter[str] = Counter()
    for section in sections:
        for line in section.lines:
            folder = sources.row(line.result.row).files.examples / section.task
            shared.update(path.stem for path in folder.glob("*.tif"))
    ranked = sorted(shared, key=lambda patch: (-shared[patch], patch))
    return sorted(ranked[:MOST_PATCHES]), len(ranked[MOST_PATCHES:])


def example_views(
    patches: Sequence[str], sections: Sequence[Section], sources: PageSources, cloud: CloudFilter
) -> list[dict[str, Any]]:
    """One view per patch.

    Args:
        patches: from `choose_examples`.
        sections: of the table.
        sources: the rows, and where archives lie.
        cloud: decides which dates are called cloudy.

    Raises:
        MissingFileError: an archive of a patch is not there, or has not got its label.
        DataError: a prediction has another shape than the label, or a raster breaks its contract.
    """
    if not patches:
        return []
    reader = PatchReader(sources.archives())
    return [_view(patch, reader, sections, sources, cloud) for patch in patches]


def _view(
    patch_id: str, reader: PatchReader, sections: Sequence[Section], sources: PageSources, cloud: CloudFilter
) -> dict[str, Any]:
    layers = _read_layers(patch_id, reader, sources.manifest.names)
    images = {name: layer for name, layer in layers.items() if name not in LABELS}
    dates = series_dates(sources.index, patch_id, cloud)
    left, _, right, _ = next(iter(layers.values())).bounds
    crs = next(iter(layers.values())).crs
    return {
        "patch": patch_id,
        "facts": ", ".join(filter(None, [f"{right - left:.4g} m a side", crs])),
        "panels": [_panel(panel) for panel in panels_of(images, dates)],
        "tasks": [view for section in sections if (view := _task(patch_id, section, layers, sources)) is not None],
    }


def _read_layers(patch_id: str, reader: PatchReader, archives: Sequence[str]) -> dict[str, Raster]:
    """Every layer that the patch has in this version of the data."""
    patch, known = parse_patch_id(patch_id), set(archives)
    here = {name: archive for name in MODALITIES if (archive := archive_of(patch, name)) in known}
    for archive in here.values():
        try:
            reader.kind(archive)
        except MissingFileError:
            raise MissingFileError(
                f"Expected {archive}, which data/manifest.json lists, in {reader.folder} to draw the example patch "
                f"{patch_id} in reports/index.html, but it is not there; fetch it again with `flairhub pull`, or "
                "set evaluate.examples to 0."
            ) from None
    layers = layers_there(reader, patch_id, here)
    if not layers:
        raise MissingFileError(
            f"Expected the example patch {patch_id} of reports/rows in the archives of data/manifest.json, but it has "
            "no layer there; evaluate the rows on this version of the data with `dvc repro`."
        )
    return layers


def _panel(panel: Panel) -> dict[str, Any]:
    note, image = panel.note, panel.image
    if panel.unit is not None:
        image, low, high = _shaded(panel.image)
        note = f"{low:.1f} (dark) to {high:.1f} {panel.unit} (light)"
    return {"title": panel.title, "note": note, "warn": panel.cloudy, "uri": photo_uri(image)}


def _shaded(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], float, float]:
    """Values [H, W] as a picture, and what its ends stand for (2nd and 98th percentile)."""
    import matplotlib

    present = values[np.isfinite(values)]
    low, high = np.percentile(present, [2, 98]) if present.size else (0.0, 0.0)
    scaled = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    colours = matplotlib.colormaps["viridis"].with_extremes(bad=(BLANK,) * 3)
    picture: npt.NDArray[np.float64] = np.asarray(colours(np.ma.masked_invalid(scaled)))[..., :3]
    return picture, float(low), float(high)


def _task(patch_id: str, section: Section, layers: Mapping[str, Raster], sources: PageSources) -> dict[str, Any] | None:
    """Label and predictions of one task; None where no row kept one."""
    rows = [sources.row(line.result.row) for line in section.lines]
    paths = {row.row: example_path(row.files.examples, section.task, patch_id) for row in rows}
    kinds = taxonomy(section.task, section.level)
    predictions = {row: read_prediction(path, kinds) for row, path in paths.items() if path.is_file()}
    if not predictions:
        return None
    lines = {line.result.row: line for line in section.lines}
    scored = {row: lines[row].task.scored for row in predictions}
    return answer_view(patch_id, section.title, _label(patch_id, layers, kinds), predictions, kinds, scored)


def answer_view(
    patch_id: str,
    title: str,
    label: ClassMap | None,
    predictions: Mapping[str, ClassMap],
    kinds: Taxonomy,
    scored: Mapping[str, Sequence[int]],
) -> dict[str, Any]:
    """What rows said of a patch beside its label.

    Args:
        patch_id: of the patch.
        title: of the task.
        label: uint8 `[H, W]`; None where it is not here: then nothing is said of errors.
        predictions: row -> uint8 `[H, W]`.
        kinds: names and colours.
        scored: row -> classes that count.

    Raises:
        DataError: a prediction has another shape than the label.
    """
    return {
        "title": title,
        "label": None if label is None else class_uri(label, kinds.colours),
        "legend": _legend(label, predictions.values(), kinds, set().union(*scored.values())),
        "rows": [
            {"row": row, "prediction": class_uri(predicted, kinds.colours)}
            | ({} if label is None else _errors(row, patch_id, predicted, label, scored[row]))
            for row, predicted in predictions.items()
        ],
    }


def _label(patch_id: str, layers: Mapping[str, Raster], kinds: Taxonomy) -> ClassMap:
    if kinds.task not in layers:
        raise MissingFileError(
            f"Expected the label {kinds.task} of the example patch {patch_id} in the archives, but it is not there; "
            "evaluate the rows on this version of the data with `dvc repro`."
        )
    array = layers[kinds.task].array
    band = 0 if len(array) == 1 else kinds.level - 1
    label: ClassMap = array[band].astype(np.uint8)
    return label


def _errors(row: str, patch_id: str, predicted: ClassMap, label: ClassMap, scored: Sequence[int]) -> dict[str, str]:
    if predicted.shape != label.shape:
        raise DataError(
            f"Expected the example {patch_id} of row {row} in the shape of its label, {label.shape}, but got "
            f"{predicted.shape}; evaluate the row again with `dvc repro -f evaluate@{row}`."
        )
    counts = np.isin(label, list(scored))
    wrong = counts & (predicted != label)
    errors = np.where(counts, np.where(wrong, 1, 0), 2).astype(np.uint8)
    total = int(counts.sum())
    right = 100 * (1 - int(wrong.sum()) / total) if total else None
    return {"errors": class_uri(errors, (RIGHT, WRONG, UNSCORED)), "right": decimals(right, 1) or "-"}


def _legend(
    label: ClassMap | None, predictions: Iterable[ClassMap], kinds: Taxonomy, scored: set[int]
) -> list[dict[str, Any]]:
    """Classes of the label, most frequent first, then classes that only predictions have."""
    shares, absent = np.zeros(kinds.num_classes), "predicted"
    if label is not None:
        absent = "predicted only"
        shares = 100 * np.bincount(label.ravel(), minlength=kinds.num_classes) / label.size
    predicted = set().union(*(np.unique(each).tolist() for each in predictions))
    present = set(np.flatnonzero(shares).tolist()) | predicted
    return [
        {
            "name": kinds.classes[k],
            "colour": kinds.colours[k],
            "share": f"{shares[k]:.0f} %" if shares[k] >= 1 else "< 1 %" if shares[k] else absent,
            "scored": k in scored,
        }
        for k in sorted(present, key=lambda k: (-shares[k], k))
    ]
