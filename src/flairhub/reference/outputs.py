"""What the reference writes, under its names: predictions, confusion matrices, metrics, copies of what was used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flairhub.catalog.names import member_of, parse_patch_id
from flairhub.catalog.taxonomies import Taxonomy
from flairhub.evaluation.metrics import score
from flairhub.files import replacing, write_text
from flairhub.maps.geotiff import prediction_path, read_prediction
from flairhub.reference.folder import ReferenceConfig
from flairhub.reference.keys import LabelConfig

METRICS = ("mIoU", "Overall Accuracy", "F-score", "Precision", "Recall")


@dataclass(frozen=True, slots=True)
class OutputTree:
    """Where the reference writes."""

    folder: Path
    """`OUT_FOLDER/OUT_MODEL_NAME`."""
    name: str
    """`out_model_name`."""

    @property
    def checkpoints(self) -> Path:
        """Folder of the weights."""
        return self.folder / "checkpoints"

    @property
    def used(self) -> Path:
        """Copies of the configuration and of the CSV files."""
        return self.folder / "used_csv_and_config"

    @property
    def log(self) -> Path:
        """What was printed."""
        return self.folder / f"flair-compute{self.name}.log"

    @property
    def results(self) -> Path:
        """Predictions and metrics."""
        return self.folder / f"results_{self.name}"

    @property
    def graph(self) -> Path:
        """The same run in the files of the graph: inputs, weights with their contract, report, receipt."""
        return self.folder / "flairhub"

    def prediction(self, task: str, patch_id: str) -> Path:
        """`PRED_<name of the label's file>`."""
        label = Path(member_of(parse_patch_id(patch_id), task)).name
        return self.results / f"predictions_{self.name}" / task / f"PRED_{label}"

    def metrics(self, task: str) -> Path:
        """Folder of a task's figures."""
        return self.results / f"metrics_{self.name}" / task


def copy_used(tree: OutputTree, files: Iterable[Path]) -> None:
    """Copy the configuration and the CSV files."""
    tree.used.mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.copy(path, tree.used / path.name)


def name_predictions(
    tree: OutputTree, written: Path, tasks: Sequence[Taxonomy], patch_ids: Iterable[str], *, georeferenced: bool
) -> None:
    """Move every predicted map to where the reference has it, under its name there.

    Args:
        tree: where.
        written: folder of the maps as the evaluation writes them.
        tasks: taxonomy of each task.
        patch_ids: test patches.
        georeferenced: False: without coordinates, as `georeferencing_output: False` wants it.
    """
    from PIL import Image

    for patch_id in patch_ids:
        for taxonomy in tasks:
            source, target = prediction_path(written, taxonomy.task, patch_id), tree.prediction(taxonomy.task, patch_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            if georeferenced:
                shutil.move(source, target)
            else:
                with replacing(target) as temporary:
                    Image.fromarray(read_prediction(source, taxonomy)).save(temporary, compression="tiff_lzw")
    shutil.rmtree(written)


def write_metrics(
    tree: OutputTree, config: ReferenceConfig, task: str, confusion: npt.NDArray[np.int64], mode: str
) -> dict[str, Any]:
    """Write `confmat_<mode>.npy` and `metrics.json` of a task; returns the latter's content.

    Args:
        tree: where.
        config: names and weights of the classes.
        task: label layer.
        confusion: counts `[K, K]`, rows = truth.
        mode: `predict` or `metrics_only`.
    """
    metrics = reference_metrics(confusion, config.labels_configs[task], config.inputs_as_listed)
    folder = tree.metrics(task)
    with replacing(folder / f"confmat_{mode}.npy") as temporary:
        np.save(temporary, confusion)
    write_text(folder / "metrics.json", json.dumps(metrics, indent=2, allow_nan=False))
    return metrics


def reference_metrics(confusion: npt.NDArray[np.int64], label: LabelConfig, inputs: Sequence[str]) -> dict[str, Any]:
    """The content of the reference's `metrics.json`.

    Args:
        confusion: counts `[K, K]`, rows = truth.
        label: names and weights of the classes.
        inputs: active inputs.
    """
    weights = label.value_weights
    classes = range(len(label.value_name))
    plain = {index: weights.default_exceptions.get(index, weights.default) for index in classes}
    scored = [index for index in classes if plain[index] != 0]
    found = score(confusion, scored)
    each = found.per_class
    return {
        "Avg_metrics_name": list(METRICS),
        "Avg_metrics": [_number(x) for x in (found.miou, found.oa, found.fscore, found.precision, found.recall)],
        "classes": [label.value_name[index] for index in scored],
        "per_class_iou": list(map(_number, each.iou)),
        "per_class_fscore": list(map(_number, each.fscore)),
        "per_class_precision": list(map(_number, each.precision)),
        "per_class_recall": list(map(_number, each.recall)),
        "per_class_default_weight": [_whole(plain[index]) for index in scored],
        "per_class_modality_weights": {
            name: [_whole(weights.per_modality_exceptions.get(name, {}).get(index, plain[index])) for index in scored]
            for name in inputs
        },
    }


def _number(value: Any) -> float:
    """A figure as the reference has it: 0 where it is undefined."""
    number = float(value)
    return 0.0 if np.isnan(number) else number


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value
