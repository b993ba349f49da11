"""Gradients of one optimiser step, for any number of processes. Started by test_processes.

    python ddp_gradients.py DATA_INPUTS ARCHIVES STEP OUT [SUFFIX]

What differs between devices by nature, batch normalisation and dropout, is stilled: the network is in evaluation mode.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel

from flairhub.archives.reader import PatchReader
from flairhub.data.loaders import LoaderOptions, training_loader
from flairhub.data.preprocess import Preprocessor
from flairhub.models.build import build_network, network_spec
from flairhub.records.inputs import read_inputs
from flairhub.training.losses import Objective
from flairhub.training.module import RowModule


class Step(torch.nn.Module):
    """The module's training step as a forward, which is where torch averages gradients over processes."""

    def __init__(self, module: RowModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch):
        return self.module.training_step(batch, 0)


def main(inputs: str, archives: str, step: str, out: str) -> None:
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    torch.set_num_threads(1)
    row = read_inputs(Path(inputs))
    torch.manual_seed(1)
    network = build_network(network_spec(row), load_weights=False)
    module = RowModule(network, Preprocessor(row.recipe, row.statistics), Objective(row.recipe), row.recipe.train)
    network.eval()
    network.auxiliary_in_eval = True
    model = Step(module)
    if size > 1:
        torch.distributed.init_process_group("gloo")
        model = DistributedDataParallel(model, find_unused_parameters=True)
    options = LoaderOptions(rank=rank, world_size=size)
    batch = next(iter(training_loader(row, PatchReader(Path(archives)), options, start_step=int(step))))
    loss = model(batch)
    loss.backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    found = {"patches": batch.patch_ids, "loss": loss.detach(), "gradients": gradients}
    torch.save(found, f"{out}.{rank}")


if __name__ == "__main__":
    main(*sys.argv[1:])
