"""Pictures of a run, by file name: those of its row, and its example maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.taxonomies import Taxonomy, taxonomy
from flairhub.errors import FlairhubError
from flairhub.pictures.class_maps import ClassMap, draw_maps
from flairhub.pictures.row import confusion_matrix, iou_bars, training_curves
from flairhub.tracking import names
from flairhub.tracking.records import ExampleMap

if TYPE_CHECKING:
    from flairhub.tracking.records import RunRecord


def draw_all(record: RunRecord) -> dict[str, bytes]:
    """Every figure of a run as PNG, by file name."""
    figures = {}
    for task, details in sorted(record.details.tasks.items()):
        title = f"{record.name}, {task}"
        figures[f"confusion_{names.slug(task)}.png"] = confusion_matrix(title, details)
        figures[f"iou_{names.slug(task)}.png"] = iou_bars(title, task, details)
    if record.history:
        figures["training.png"] = training_curves(record.name, record.history)
    return figures | draw_examples(record.name, record.examples)


def draw_examples(row: str, examples: Sequence[ExampleMap]) -> dict[str, bytes]:
    """One picture per example as PNG, by file name `examples/<TASK>/<patch id>.png`.

    An example of a nomenclature that the catalog does not know, or whose file is no such map, is left out: pictures
    show results, they do not judge them.
    """
    drawn = {}
    for example in examples:
        try:
            classes = taxonomy(example.task, example.level)
            predicted = read_map(example, classes)
        except FlairhubError:
            continue
        panels = {"prediction": predicted}
        truth = read_label(example, classes, predicted.shape)
        if truth is not None:
            panels["label"] = truth
        name = f"examples/{names.slug(example.task)}/{names.slug(example.patch_id)}.png"
        drawn[name] = draw_maps(f"{row}, {example.patch_id}", panels, classes)
    return drawn


def read_map(example: ExampleMap, classes: Taxonomy) -> ClassMap:
    """The predicted classes, uint8 `[H, W]`.

    Raises:
        DataError: the file is not a map of these classes.
    """
    from flairhub.maps.geotiff import read_prediction

    return read_prediction(example.prediction, classes)


def read_label(example: ExampleMap, classes: Taxonomy, shape: tuple[int, ...]) -> ClassMap | None:
    """The label of the same patch, uint8 `[H, W]`; None where its archive is not here or holds something else."""
    from flairhub.archives.raster import read_array
    from flairhub.archives.reader import PatchReader

    if example.archives is None:
        return None
    try:
        patch = parse_patch_id(example.patch_id)
        data = PatchReader(example.archives).read(archive_of(patch, example.task), member_of(patch, example.task))
        bands = read_array(data)
    except FlairhubError:
        return None
    if len(bands) < classes.level or bands.shape[1:] != shape or bands[classes.level - 1].max() >= classes.num_classes:
        return None
    label: ClassMap = bands[classes.level - 1].astype(np.uint8)
    return label
