"""Checkpoints that Lightning wrote for the reference: what they hold is taken, and nothing in them is executed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from tests.reference.world import COSIA, changed, command, example, write_folder
from torch import nn
from torch.utils.data import DataLoader

from flairhub.models.build import build_network, network_spec
from flairhub.reference.folder import read_config
from flairhub.reference.prepare import prepare

torch.set_num_threads(1)

RATE, PATCHES, BATCH, PIXELS, EPOCHS = 1e-3, 4, 2, 64, 3


class Task(LightningModule):
    """The parts of the reference's module that a checkpoint shows: `model`, `criterion`, its optimisers' options."""

    def __init__(self, model: nn.Module, scheduler: str) -> None:
        super().__init__()
        self.model = model
        self.criterion = nn.ModuleDict({COSIA: nn.CrossEntropyLoss(weight=torch.ones(19))})
        self.scheduler = scheduler

    def training_step(self, batch: dict[str, torch.Tensor], _: int) -> torch.Tensor:
        logits = self.model({"AERIAL_RGBI": batch["image"]}, {}, {}, (PIXELS, PIXELS)).logits[COSIA]
        loss: torch.Tensor = self.criterion[COSIA](logits, batch["label"])
        return loss

    def validation_step(self, _batch: dict[str, torch.Tensor], _: int) -> None:
        self.log("val_miou", 0.1 * (self.current_epoch + 1))  # the last epoch is the best and is saved
        self.log("val_loss", 1.0)  # never better: the plateau is reached at once

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.AdamW(self.model.parameters(), lr=RATE, weight_decay=0.01, betas=(0.9, 0.999))
        if self.scheduler == "one_cycle_lr":
            steps = int(self.trainer.estimated_stepping_batches)
            cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, pct_start=0.2, div_factor=1000)
            return {"optimizer": optimiser, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=0)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}


def lightning_checkpoint(user: Path, config: dict[str, Any]) -> Path:
    """`last.ckpt` of three epochs, as Lightning writes it with the reference's callbacks."""
    job = prepare(read_config(write_folder(user / "theirs", config), ()))
    assert job.inputs is not None
    torch.manual_seed(1)
    task = Task(build_network(network_spec(job.inputs), load_weights=False), config["hyperparams"]["scheduler"])
    data = [{"image": torch.randn(3, PIXELS, PIXELS), "label": torch.randint(0, 19, (PIXELS,) * 2)}] * PATCHES
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[
            ModelCheckpoint(user / "checkpoints", "{epoch:02d}", "val_miou", save_last=True, mode="max"),
            EarlyStopping("val_miou", patience=30, mode="max"),
        ],
    )
    trainer.fit(task, DataLoader(data, BATCH), DataLoader(data, BATCH))
    return user / "checkpoints" / "last.ckpt"


def base(user: Path, scheduler: str) -> dict[str, Any]:
    return changed(
        example(user),
        tasks__predict=False,
        hyperparams__scheduler=scheduler,
        hyperparams__learning_rate=RATE,
        hyperparams__num_epochs=EPOCHS,
    )


def resuming(config: dict[str, Any], checkpoint: Path, **more: Any) -> dict[str, Any]:
    return changed(
        config,
        tasks__train_tasks__resume_training_from_ckpt=True,
        paths__ckpt_model_path=str(checkpoint),
        hyperparams__num_epochs=EPOCHS + 1,
        **more,
    )


def history(user: Path) -> list[dict[str, str]]:
    with (user / "out" / "toy" / "flairhub" / "models" / "toy" / "history.csv").open() as handle:
        return list(csv.DictReader(handle))


def test_weights_optimiser_and_epoch_go_on(user: Path) -> None:
    config = base(user, "one_cycle_lr")
    checkpoint = lightning_checkpoint(user, config)
    theirs = torch.load(checkpoint, weights_only=True)
    assert {"epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers", "callbacks"} <= theirs.keys()
    assert f"criterion.{COSIA}.weight" in theirs["state_dict"]
    # a rate of nearly nothing: what changes now is not what was taken
    still = resuming(config, checkpoint, hyperparams__learning_rate=1e-12)
    assert command(user, still) == 0
    ours = torch.load(user / "out" / "toy" / "checkpoints" / "last.ckpt", weights_only=True)
    (before,), (after,) = theirs["optimizer_states"], ours["optimizer_states"]
    names = [name for name in theirs["state_dict"] if name in ours["state_dict"] and "running" not in name]
    moved = [name for name in names if not torch.allclose(theirs["state_dict"][name], ours["state_dict"][name])]
    assert [name for name in moved if not name.endswith("num_batches_tracked")] == []
    steps = theirs["global_step"]
    per_epoch = ours["global_step"] - steps
    assert [(row["epoch"], row["step"]) for row in history(user)] == [(str(EPOCHS), str(steps + per_epoch))]
    assert before["state"].keys() == after["state"].keys()
    for number, state in before["state"].items():
        assert after["state"][number]["step"] == state["step"] + per_epoch
        # most of the second moment is still that of the steps before
        assert (after["state"][number]["exp_avg_sq"] >= state["exp_avg_sq"] * 0.999**per_epoch * (1 - 1e-5)).all()


def test_a_plateau_keeps_its_reductions(user: Path) -> None:
    config = base(user, "reduce_on_plateau")
    checkpoint = lightning_checkpoint(user, config)
    (group,) = torch.load(checkpoint, weights_only=True)["optimizer_states"][0]["param_groups"]
    assert group["lr"] == RATE / 2  # reduced once, by torch: the checkpoint of an epoch is older than its reduction
    assert command(user, resuming(config, checkpoint)) == 0
    assert [float(row["learning_rate"]) for row in history(user)] == [RATE / 2]


class Code:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_code_in_a_checkpoint_is_refused_and_not_executed(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = base(user, "one_cycle_lr")
    checkpoint, proof = user / "evil.ckpt", user / "proof"
    torch.save({"state_dict": {}, "callbacks": Code(proof)}, checkpoint)
    assert command(user, resuming(config, checkpoint)) == 2
    said = capsys.readouterr().err
    assert "without executing code" in said
    assert len(said.splitlines()) == 1
    assert not proof.exists()
