"""Every figure of a row from predictions that were written before, without its network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from flairhub.archives.reader import PatchReader
from flairhub.config.training import EvaluateParams
from flairhub.data.dataset import PatchDataset
from flairhub.data.inputs import RowInputs
from flairhub.evaluation.details import ScoredTask, build_details
from flairhub.evaluation.network import row_scored, row_taxonomies
from flairhub.evaluation.predictions import confusion_from_predictions


def score_predictions(
    inputs: RowInputs, predictions: Path, reader: PatchReader, evaluation: EvaluateParams, *, progress: bool = False
) -> dict[str, Any]:
    """What `details.json` says of a row with these predictions.

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
    expected = [entry.patch_id for entry in inputs.splits["test"]]

    def labels(task: str) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
        bar = tqdm(expected, desc=f"score {inputs.row}", unit="patch", disable=not progress)
        for index, patch_id in enumerate(bar):
            yield patch_id, dataset.label(index, task)

    tasks = [
        ScoredTask(
            taxonomy=taxonomies[task],
            scored=scored[task],
            confusion=confusion_from_predictions(predictions, labels(task), taxonomies[task]),
        )
        for task in inputs.recipe.tasks
    ]
    return build_details(inputs.row, tasks, expected, evaluation)
