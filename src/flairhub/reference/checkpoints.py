"""Checkpoints under the reference's names and keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from flairhub.files import replacing
from flairhub.models.tensors import CONTRACT, MODEL_PREFIX
from flairhub.reference.resume import OURS
from flairhub.training.resume_state import TrainingState
from flairhub.training.runner import Trained

if TYPE_CHECKING:
    from flairhub.reference.prepare import Job

LAST = "last.ckpt"
"""Name of the checkpoint of the last epoch, with the state of the optimiser."""


def keep_checkpoints(
    job: Job, contract: Mapping[str, str], state: TrainingState, trained: Trained, say: Callable[[str], None]
) -> None:
    """Write the checkpoints of a training that has ended.

    Args:
        job: the run.
        contract: what the weights expect, as metadata of a safetensors file has it.
        state: its training's state, with Lightning's last checkpoint.
        trained: the network with its best weights.
        say: receives a line per file, if `saving.ckpt_verbose`.
    """
    saving, folder = job.config.saving, job.tree.checkpoints
    last = torch.load(state.checkpoint, map_location="cpu", weights_only=True)
    best = {name: tensor.detach().cpu() for name, tensor in trained.network.state_dict().items()}
    progress = trained.progress
    value = progress.best_valid.get("valid.loss")
    figure = f"val_loss={value:.2f}" if value is not None else f"val_miou={progress.best_score / 100:.2f}"
    name = f"ckpt-epoch={progress.best_epoch:02d}-{figure}_{job.config.paths.out_model_name}.ckpt"
    for old in folder.glob("*.ckpt"):
        old.unlink()
    best_step = next((entry["step"] for entry in progress.history if entry["epoch"] == progress.best_epoch), 0)
    said = {"epoch": progress.best_epoch, "global_step": int(best_step or 0), CONTRACT: dict(contract)}
    _save(folder / name, _plain(best, said))
    written = [name]
    if saving.ckpt_save_also_last:
        state_dict = {key.removeprefix(OURS): value for key, value in last["state_dict"].items()}
        kept = {} if saving.ckpt_weights_only else {key: value for key, value in last.items() if key != "state_dict"}
        _save(folder / LAST, _plain(state_dict, {**kept, CONTRACT: dict(contract)}))
        written.append(LAST)
    if saving.ckpt_verbose:
        for each in written:
            say(f"saved {folder / each}")


def _plain(state_dict: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    return {**rest, "state_dict": {f"{MODEL_PREFIX}{name}": value for name, value in state_dict.items()}}


def _save(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        torch.save(dict(content), temporary)
