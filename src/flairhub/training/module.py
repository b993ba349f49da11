"""The LightningModule of a row: one forward, one objective, one optimiser."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from flairhub.config.training import TrainParams
from flairhub.data.batch import Batch
from flairhub.data.preprocess import Preprocessor
from flairhub.inference.predict import label_size
from flairhub.models.network import SegmentationNetwork
from flairhub.training.arithmetic import forward_of
from flairhub.training.losses import Objective
from flairhub.training.optimisers import build_optimizer


class RowModule(LightningModule):
    """Joins network, pre-processing and loss; everything else about a training is in callbacks."""

    def __init__(
        self, network: SegmentationNetwork, preprocessor: Preprocessor, objective: Objective, params: TrainParams
    ) -> None:
        super().__init__()
        self.network = network
        self.preprocessor = preprocessor
        self.objective = objective
        self.params = params
        self._forward = forward_of(network, params)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of one batch; Lightning hands the batch over as the loader made it."""
        del batch_index
        size = label_size(batch)
        prepared = self.preprocessor(batch)
        output = self._forward(prepared.inputs, prepared.dates, prepared.valid, size)
        loss: Tensor = self.objective(output, prepared.labels)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser; its learning rate is set before every step by the `Schedule` callback."""
        return build_optimizer(self.params, self.network.parameters())

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch (Lightning would copy the frozen dataclass field by field); its labels are checked before."""
        del dataloader_idx
        if device.type != "cpu":
            self.objective.check(batch.labels)
        return batch.to(device, non_blocking=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep Lightning's checkpoint free of paths and hyper-parameters: the key names what it belongs to."""
        checkpoint.pop("hyper_parameters", None)
