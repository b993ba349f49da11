"""One pass over the validation patches: the same loop as the test, one forward per batch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch.distributed

from flairhub.archives.reader import PatchReader
from flairhub.compute.devices import Devices
from flairhub.compute.processes import this_process
from flairhub.config.runtime import RuntimeSettings
from flairhub.data.loaders import BatchLoader, LoaderOptions, evaluation_loader, loader_options
from flairhub.data.preprocess import Preprocessor
from flairhub.evaluation.confusion import Counts
from flairhub.evaluation.metrics import defined, score, support_weighted_iou
from flairhub.inference.predict import confusion_of
from flairhub.models.network import SegmentationNetwork
from flairhub.records.classes import row_scored, row_taxonomies
from flairhub.records.inputs import RowInputs
from flairhub.training.callbacks import ValidationResult
from flairhub.training.validation_loss import ValidationLoss


class Validation:
    """Scores the network on `valid`; with several devices each takes whole regions and the counts are added."""

    def __init__(
        self,
        inputs: RowInputs,
        reader: PatchReader,
        settings: RuntimeSettings,
        devices: Devices,
        network: SegmentationNetwork,
        preprocessor: Preprocessor,
    ) -> None:
        train = inputs.recipe.train
        size = max(1, train.global_batch_size // train.accumulate)
        options = loader_options(inputs, settings, devices)
        # which process this is, is known once they are connected, and that is after a trainer has started
        self._open = partial(_loader, inputs, reader, options, size)
        self._loader: BatchLoader | None = None
        self._network = network
        self._preprocessor = preprocessor
        self._scored = row_scored(inputs)
        self._classes = {task: nomenclature.num_classes for task, nomenclature in row_taxonomies(inputs).items()}
        self._published = train.select == "published"
        self._loss = ValidationLoss(inputs.recipe) if train.select == "loss" else None

    def __call__(self) -> ValidationResult:
        """Metrics in percent; the selection metric is the mean over tasks where it is defined, or minus the loss."""
        self._loader = self._loader or self._open()
        _share_statistics(self._network)
        on_scores = None if self._loss is None else self._loss.add
        tables = confusion_of(self._network, self._preprocessor, self._loader, self._classes, on_scores=on_scores)
        metrics: dict[str, float | None] = {}
        chosen: list[float] = []
        for task, table in tables.items():
            confusion = _summed(table.dense(), self._network)
            scores = score(confusion, self._scored[task])
            weighted = support_weighted_iou(confusion)
            scored = {"oa": scores.oa, "miou": scores.miou, "weighted_iou": weighted}
            values = {name: defined(value) for name, value in scored.items()}
            metrics |= {f"valid.{task}.{name}": value for name, value in values.items()}
            score_of_task = values["weighted_iou" if self._published else "miou"]
            chosen += [] if score_of_task is None else [score_of_task]
        mean = sum(chosen) / len(chosen) if chosen else None
        if self._loss is not None:
            loss = self._loss.take(next(self._network.parameters()).device)
            metrics["valid.loss"] = loss
            mean = None if loss is None else -loss
        return ValidationResult(score=mean, metrics=_named(metrics, len(tables)))


def _loader(inputs: RowInputs, reader: PatchReader, options: LoaderOptions, batch_size: int) -> BatchLoader:
    here = this_process()
    mine = replace(options, rank=here.rank, world_size=here.size)
    return evaluation_loader(inputs, "valid", reader, mine, batch_size=batch_size)


def _share_statistics(network: SegmentationNetwork) -> None:
    """Running statistics of the first process for all: each has gathered its own in training."""
    if this_process().size > 1:
        for buffer in network.buffers():
            torch.distributed.broadcast(buffer, src=0)


def _named(metrics: dict[str, float | None], tasks: int) -> dict[str, float | None]:
    """`valid.miou` where there is one task, `valid.<task>.miou` where there are several."""
    if tasks > 1:
        return metrics
    return {f"valid.{name.rsplit('.', 1)[-1]}": value for name, value in metrics.items()}


def _summed(confusion: Counts, network: SegmentationNetwork) -> Counts:
    """Counts added over all processes."""
    if this_process().size == 1:
        return confusion
    tensor = torch.from_numpy(confusion).to(next(network.parameters()).device)
    torch.distributed.all_reduce(tensor)
    result: Counts = tensor.cpu().numpy()
    return result
