"""Every figure of a row from predictions that were written before, without its network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from flairhub.archives.reader import PatchReader
from flairhub.catalog.taxonomies import Taxonomy
from flairhub.config.training import EvaluateParams
from flairhub.data.dataset import PatchDataset
from flairhub.evaluation.confusion import ConfusionBuilder, ConfusionTable
from flairhub.evaluation.details import ScoredTask, build_details
from flairhub.maps.geotiff import ClassMap, prediction_path, read_prediction
from flairhub.records.classes import row_scored, row_taxonomies
from flairhub.records.details import Details
from flairhub.records.inputs import RowInputs


def score_predictions(
    inputs: RowInputs, predictions: Path, reader: PatchReader, evaluation: EvaluateParams, *, progress: bool = False
) -> Details:
    """The details of a row with these predictions.

    Args:
        inputs: what the row reads; its labels and test patches are used.
        predictions: folder of class maps, see `predictions.prediction_path`.
        reader: reader of the archives, for the labels.
        evaluation: parameters of the row.
        progress: whether a bar is drawn.

    Raises:
        MissingFileError: a test patch has no prediction; its file is named.
        DataError: a map does not fit its label or the taxonomy.
    """
    dataset = PatchDataset(inputs, "test", reader)
    taxonomies, scored = row_taxonomies(inputs), row_scored(inputs)
    expected = list(inputs.splits["test"].patch_ids)

    def labels(task: str) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
        bar = tqdm(expected, desc=f"score {inputs.row}", unit="patch", disable=not progress)
        for index, patch_id in enumerate(bar):
            yield patch_id, dataset.label(index, task)

    tasks = [
        ScoredTask(
            taxonomy=taxonomies[task],
            scored=scored[task],
            confusion=confusion_from_predictions(
                partial(prediction_path, predictions, task), labels(task), taxonomies[task]
            ),
        )
        for task in inputs.recipe.tasks
    ]
    return build_details(inputs.row, tasks, expected, evaluation)


def confusion_from_predictions(
    path_of: Callable[[str], Path], labels: Iterable[tuple[str, ClassMap]], taxonomy: Taxonomy
) -> ConfusionTable:
    """Confusion of maps that were written before (`metrics_only`), without a network.

    Args:
        path_of: patch id -> where its map lies.
        labels: (patch id, label uint8 `[H, W]`) of every patch to score; may be a generator.
        taxonomy: the task's classes.

    Raises:
        MissingFileError: a patch has no prediction; the file is named.
        DataError: shapes differ, a value is outside the taxonomy, or a patch comes twice.
    """
    builder = ConfusionBuilder(taxonomy.task, taxonomy.num_classes)
    for patch_id, label in labels:
        predicted = read_prediction(path_of(patch_id), taxonomy)
        builder.add([patch_id], label[None], predicted[None])
    return builder.table()
