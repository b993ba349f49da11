"""What a step asks of its device: on the device `meta`, which has no values, whoever reads one fails."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.drawn_rows import Row, make_recipe, make_row
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from flairhub.data.loaders import LoaderOptions, training_loader
from flairhub.data.preprocess import Preprocessor
from flairhub.errors import DataError
from flairhub.inference.predict import confusion_of
from flairhub.models.build import build_network, network_spec
from flairhub.training.losses import Objective
from flairhub.training.module import RowModule

COSIA, LPIS = "AERIAL_LABEL-COSIA", "ALL_LABEL-LPIS"
MONO = ("AERIAL_RGBI", "AERIAL-RLT_PAN", "DEM_ELEV", "SPOT_RGBI")
SERIES = ("SENTINEL2_TS", "SENTINEL1-ASC_TS", "SENTINEL1-DESC_TS")
READS = {"_local_scalar_dense", "nonzero", "masked_select", "unique", "_unique2", "equal", "is_nonzero"}
"""Operations whose answer the host waits for."""


class Recorder(TorchDispatchMode):
    """Counts operations by name, and keeps the largest number of axes that an integer tensor had."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.integers: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.counts[func.overloadpacket.__name__] += 1
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, Tensor) and not each.is_floating_point():
                self.integers.add(tuple(each.shape))
        return result


def row_of_inputs(folder: Path, modalities: tuple[str, ...], tasks: tuple[str, ...] = (COSIA, LPIS)) -> Row:
    recipe = make_recipe("X", rows={"X": {"tasks": list(tasks), "modalities": list(modalities)}})
    sizes = dict.fromkeys((*modalities, *tasks), (32, 32))
    return make_row(folder, recipe, sizes={name: size for name, size in sizes.items() if not name.endswith("_TS")})


def module_of(row: Row) -> RowModule:
    torch.manual_seed(0)
    network = build_network(network_spec(row.inputs), load_weights=False)
    recipe = row.inputs.recipe
    return RowModule(network, Preprocessor(recipe, row.inputs.statistics), Objective(recipe), recipe.train)


@pytest.mark.parametrize("modalities", [("AERIAL_RGBI",), MONO, SERIES, (*MONO, *SERIES)])
def test_a_training_step_reads_nothing_from_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modalities: tuple[str, ...]
):
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which knows no such device
    row = row_of_inputs(tmp_path, modalities)
    module = module_of(row)
    module.to("meta")
    batch = next(iter(training_loader(row.inputs, row.reader, LoaderOptions())))
    loss = module.training_step(module.transfer_batch_to_device(batch, torch.device("meta"), 0), 0)
    loss.backward()
    assert loss.device.type == "meta"
    assert all(parameter.grad is not None for parameter in module.network.main_decoders.parameters())


def test_the_device_would_notice(tmp_path: Path):
    """The test above can fail: a value that is read raises there."""
    with pytest.raises((RuntimeError, NotImplementedError)):
        int(torch.zeros(3, device="meta").max())
    row = row_of_inputs(tmp_path, ("AERIAL_RGBI",), (COSIA,))
    batch = next(iter(training_loader(row.inputs, row.reader, LoaderOptions())))
    with Recorder() as found:
        module_of(row).objective.check(batch.labels)
    assert found.counts["_local_scalar_dense"] == 1


def test_labels_are_checked_before_they_move(tmp_path: Path):
    row = row_of_inputs(tmp_path, ("AERIAL_RGBI",), (COSIA,))
    module = module_of(row)
    batch = next(iter(training_loader(row.inputs, row.reader, LoaderOptions())))
    wrong = replace(batch, labels={COSIA: torch.full_like(batch.labels[COSIA], 19)})
    with pytest.raises(DataError, match=r"0\.\.18, but a class map holds 19"):
        module.transfer_batch_to_device(wrong, torch.device("meta"), 0)


@pytest.mark.parametrize("task", [COSIA, LPIS])
def test_the_number_of_readings_does_not_grow_with_classes(tmp_path: Path, task: str):
    """19 and 23 classes: one reading, the check of labels on a CPU; and nothing has an axis of classes but scores."""
    row = row_of_inputs(tmp_path, ("AERIAL_RGBI",), (task,))
    module, batch = module_of(row), next(iter(training_loader(row.inputs, row.reader, LoaderOptions())))
    with Recorder() as step:
        module.training_step(batch, 0).backward()
    assert sum(step.counts[name] for name in READS) == 1
    height, width = batch.labels[task].shape[-2:]
    classes = module.objective.tasks[task].num_classes
    planes = {shape for shape in step.integers if shape[-2:] == (height, width) or shape[-1:] == (classes,)}
    assert planes <= {(len(batch), height, width), (height, width)}
    with Recorder() as valid:
        confusion_of(module.network, module.preprocessor, [batch], {task: classes})
    assert not any(classes in shape[1:2] or classes in shape[3:] for shape in valid.integers)
    assert sum(valid.counts[name] for name in READS) == 0
