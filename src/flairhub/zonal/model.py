"""The network of a job with its weights, and what prepares its inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from flairhub.config.base import build
from flairhub.config.inputs import Preprocessing
from flairhub.data.preprocess import Preprocessor
from flairhub.errors import IntegrityError
from flairhub.models.build import build_network
from flairhub.models.network import SegmentationNetwork
from flairhub.models.spec import InputSpec
from flairhub.models.tensors import auxiliary_of, network_tensors, read_tensors
from flairhub.records.inputs_file import BandStatistics
from flairhub.weights.checkpoints import load_tensors
from flairhub.weights.recipe import contract_statistics, input_recipe
from flairhub.zonal.job import Job


@dataclass(frozen=True, slots=True)
class Model:
    """What predicts."""

    network: SegmentationNetwork
    """In evaluation mode, on its device."""
    preprocessor: Preprocessor
    num_classes: dict[str, int]
    """Task -> classes."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.network.parameters()).device


def load_model(job: Job, device: torch.device) -> Model:
    """Build and load.

    Raises:
        IntegrityError: the weights are not those of the contract's network; only position tables may be resized.
    """
    tensors = network_tensors(read_tensors(job.weights))
    spec = job.contract.network_spec()
    sizes = {
        name: InputSpec(channels=item.channels, height=job.sides[name], width=job.sides[name])
        for name, item in spec.inputs.items()
    }
    auxiliary = tuple(name for name in auxiliary_of(tensors) if name in sizes)
    network = build_network(replace(spec, inputs=sizes, auxiliary=auxiliary), load_weights=False)
    report = load_tensors(network, tensors, str(job.weights), strict=False)
    if report.missing or report.unexpected or report.reinitialised:
        raise IntegrityError(f"{job.weights}: expected weights of the contract's network, but {report}.")
    network.eval().to(device)
    return Model(
        network=network,
        preprocessor=chosen_dates(job),
        num_classes={task: len(item.classes) for task, item in job.contract.tasks.items()},
    )


def chosen_dates(job: Job) -> Preprocessor:
    """What prepares inputs whose clear dates are chosen already, for the whole map, and what stands for their gaps."""
    recipe = input_recipe(job.contract)
    settings = recipe.preprocessing
    off = settings.filter_sentinel2.model_copy(update={"enabled": False})
    plain = build(Preprocessing, {**settings.model_dump(), "filter_sentinel2": off.model_dump()}, "the map")
    statistics = contract_statistics(job.contract)
    for name, means in job.gaps.items():  # without a normalisation by moments, only the means are looked at
        bands = job.contract.modalities[name].bands
        statistics[name] = {band: BandStatistics(mean=mean, std=1.0) for band, mean in zip(bands, means, strict=True)}
    return Preprocessor(recipe.model_copy(update={"preprocessing": plain}), statistics)
