"""Steps of training and validation against the same network alone, and counting against NumPy's bincount."""

from __future__ import annotations

import copy
import tempfile
import time
from pathlib import Path
from typing import Any

import drawn
import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from measured import Measurement, compared, cpu_seconds, in_turns
from torch.nn import functional as F

from flairhub.compute.devices import find_devices
from flairhub.config.runtime import RuntimeSettings
from flairhub.data.loaders import LoaderOptions, evaluation_loader, training_loader
from flairhub.data.preprocess import Preprocessor
from flairhub.evaluation.confusion import count_batch
from flairhub.inference.predict import confusion_of
from flairhub.models.build import build_network, network_spec
from flairhub.records.classes import row_taxonomies
from flairhub.training.runner import first_steps

SIDE = 512
STEPS = 5
TASK = "AERIAL_LABEL-COSIA"


class _Beside(Callback):
    """After each step of the training, one of the same network alone: NCHW, float32, loss, AdamW."""

    def __init__(self, inputs: Any, data: drawn.Drawn) -> None:
        batch = next(iter(training_loader(inputs, data.reader, LoaderOptions())))
        self.batch = Preprocessor(inputs.recipe, inputs.statistics)(batch)
        self.pairs: list[tuple[float, float]] = []
        self.start = 0.0
        self.network: Any = None

    def on_train_start(self, _: Trainer, pl_module: LightningModule) -> None:
        self.network = copy.deepcopy(pl_module.network).to(memory_format=torch.contiguous_format)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3)
        self._bare()
        self.start = time.process_time()

    def on_train_batch_end(self, *_: Any) -> None:
        own = time.process_time() - self.start
        self.pairs.append((own, cpu_seconds(self._bare)))
        self.start = time.process_time()

    def _bare(self) -> None:
        self.optimizer.zero_grad()
        logits = self.network(self.batch.inputs, {}, {}, (SIDE, SIDE)).logits[TASK]
        F.cross_entropy(logits, self.batch.labels[TASK].long()).backward()
        self.optimizer.step()


def train_step(data: drawn.Drawn) -> Measurement:
    """Processor time from the end of one step of one patch to the end of the next."""
    inputs = data.inputs(drawn.recipe("LC-A", train={**drawn.section("train"), "global_batch_size": 1}))
    settings = RuntimeSettings(workers=0, accelerator="cpu", devices=1, progress=False, cache_mb=2048)
    beside = _Beside(inputs, data)
    with tempfile.TemporaryDirectory() as name:
        first_steps(inputs, data.reader, settings, find_devices(settings), STEPS, Path(name), watching=[beside])
    return compared(
        beside.pairs[1:], unit="CPU s", against="forward, backward and AdamW of the same network", goal="<= 1.00"
    )


def valid_step(data: drawn.Drawn) -> Measurement:
    """Prediction and counting of batches that are in memory, against forward passes alone."""
    inputs = data.inputs(drawn.recipe("LC-A"))
    network = build_network(network_spec(inputs)).eval()
    preprocessor = Preprocessor(inputs.recipe, inputs.statistics)
    batches = list(evaluation_loader(inputs, "valid", data.reader, LoaderOptions(), batch_size=2))[:2]
    prepared = [preprocessor(batch).inputs for batch in batches]
    classes = {task: found.num_classes for task, found in row_taxonomies(inputs).items()}

    @torch.inference_mode()
    def forward() -> None:
        for each in prepared:
            network(each, {}, {}, (SIDE, SIDE))

    pairs = in_turns(
        lambda: cpu_seconds(lambda: confusion_of(network, preprocessor, batches, classes)),
        lambda: cpu_seconds(forward),
        5,
    )
    return compared(pairs, unit="CPU s", against="one forward pass per batch", goal="<= 1.05")


def confusion() -> Measurement:
    """One patch of 512 x 512 pixels, checks included, against a bincount of ready indices."""
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 19, (2, 1, SIDE, SIDE)).astype(np.uint8)
    cells = (truth.astype(np.int64) * 19 + guess).ravel()
    pairs = in_turns(
        lambda: cpu_seconds(lambda: [count_batch(["a"], truth, guess, 19, task=TASK) for _ in range(20)]) / 20,
        lambda: cpu_seconds(lambda: [np.bincount(cells, minlength=19 * 19) for _ in range(20)]) / 20,
        15,
    )
    return compared(pairs, unit="CPU s", against="numpy.bincount of ready indices", goal="<= 2.0")
