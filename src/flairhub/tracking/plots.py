"""Pictures of a run, by file name: IoU per class, and the row's page as in `reports/index.html`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.taxonomies import Taxonomy, taxonomy
from flairhub.errors import FlairhubError
from flairhub.maps.geotiff import ClassMap, read_prediction
from flairhub.pictures.bars import iou_bars
from flairhub.report.page.row_page import Example, render_row_page
from flairhub.tracking import names
from flairhub.tracking.records import ExampleMap

if TYPE_CHECKING:
    from flairhub.tracking.records import RunRecord


def draw_all(record: RunRecord) -> dict[str, bytes]:
    """Every figure of a run, by file name: `row.html` and `iou_<TASK>.png`."""
    page = render_row_page(record.name, record.details, record.histories, shown_examples(record.examples))
    bars = {
        f"iou_{names.slug(task)}.png": iou_bars(f"{record.name}, {task}", task, details)
        for task, details in sorted(record.details.tasks.items())
    }
    return {"row.html": page.encode()} | bars


def shown_examples(examples: Sequence[ExampleMap]) -> list[Example]:
    """Those that can be shown: an unknown nomenclature, or a file that is no such map, is left out.

    Pictures show results, they do not judge them.
    """
    shown = []
    for example in examples:
        try:
            classes = taxonomy(example.task, example.level)
            predicted = read_prediction(example.prediction, classes)
        except FlairhubError:
            continue
        label = read_label(example, classes, predicted.shape)
        shown.append(Example(task=example.task, patch_id=example.patch_id, prediction=predicted, label=label))
    return shown


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
