"""Checkpoints under the reference's names and keys: written when a training ends, and taken up by another one."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from flairhub.config.training import TrainParams
from flairhub.errors import ConfigurationError, IntegrityError
from flairhub.files import replacing
from flairhub.models.build import build_network, network_spec
from flairhub.models.tensors import CONTRACT, MODEL_PREFIX, network_tensors
from flairhub.records.inputs import RowInputs
from flairhub.reference.folder import ReferenceConfig
from flairhub.training.progress import Progress
from flairhub.training.resume_state import TrainingState

if TYPE_CHECKING:
    from flairhub.training.runner import Trained

LAST = "last.ckpt"
"""Name of the checkpoint of the last epoch, with the state of the optimiser."""

OURS = "network."
"""Before the keys of the network in a checkpoint of our trainings."""

_NEEDED = ("state_dict", "optimizer_states", "loops", "epoch", "global_step")
_PROGRESS = "flairhub.progress"
"""Key of the training's own state among those of Lightning's callbacks."""


def keep_checkpoints(
    config: ReferenceConfig,
    folder: Path,
    contract: Mapping[str, str],
    state: TrainingState,
    trained: Trained,
    say: Callable[[str], None],
) -> None:
    """Write the checkpoints of a training that has ended.

    Args:
        config: of the run.
        folder: destination.
        contract: what the weights expect, as metadata of a safetensors file has it.
        state: its training's state, with Lightning's last checkpoint.
        trained: the network with its best weights.
        say: receives a line per file, if `saving.ckpt_verbose`.
    """
    saving = config.saving
    last = torch.load(state.checkpoint, map_location="cpu", weights_only=True)
    best = {name: tensor.detach().cpu() for name, tensor in trained.network.state_dict().items()}
    progress = trained.progress
    value = progress.best_valid.get("valid.loss")
    figure = f"val_loss={value:.2f}" if value is not None else f"val_miou={progress.best_score / 100:.2f}"
    name = f"ckpt-epoch={progress.best_epoch:02d}-{figure}_{config.paths.out_model_name}.ckpt"
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


def resume_from(path: Path, state: TrainingState, inputs: RowInputs, say: Callable[[str], None]) -> None:
    """Let a training go on from a checkpoint.

    Weights, optimiser and the place in the epochs are taken; the learning rate follows from the step, and on a plateau
    from the reductions so far. The best weights are those of the checkpoint that `saving` kept beside it, or else the
    best from here on.

    Args:
        path: the checkpoint.
        state: the training's state; one that has begun already goes on from its own checkpoint.
        inputs: of the row.
        say: receives what was taken.

    Raises:
        IntegrityError: as `read_resumable`, or it is that of another network.
        ConfigurationError: as `read_resumable`.
    """
    if state.checkpoint.is_file() or state.final.is_dir():
        return
    content = read_resumable(path, inputs.recipe.train.epochs)
    network = build_network(network_spec(inputs), load_weights=False)
    tensors = network_tensors(content["state_dict"])
    own = network.state_dict()
    if set(tensors) != set(own) or any(tensors[name].shape != value.shape for name, value in own.items()):
        differ = sorted(set(tensors) ^ set(own)) or sorted(n for n in own if tensors[n].shape != own[n].shape)
        raise IntegrityError(
            f"{path}: expected the network of the configuration, but {len(differ)} tensors differ, first {differ[0]}."
        )
    parameters = [name for name, _ in network.named_parameters()]
    listed = [name for name in tensors if name in set(parameters)]
    optimisers = [_reordered(each, listed, parameters) for each in content["optimizer_states"]]
    progress = _progress(path, content, state, inputs.recipe.train)
    resumed = {
        "epoch": content["epoch"],
        "global_step": content["global_step"],
        "pytorch-lightning_version": content.get("pytorch-lightning_version", "2.5.1"),
        "state_dict": {f"{OURS}{name}": value for name, value in tensors.items()},
        "loops": content["loops"],
        "callbacks": {_PROGRESS: progress.state()},
        "optimizer_states": optimisers,
        "lr_schedulers": [],
    }
    if not state.best.is_file():
        _save(state.best, dict(tensors))
    _save(state.checkpoint, resumed)
    say(f"goes on from {path.name}: {int(content['epoch']) + 1} epochs, {content['global_step']} steps")


def read_resumable(path: Path, epochs: int) -> dict[str, Any]:
    """The content of a checkpoint that a training of so many epochs can go on from; none of its code is executed.

    Raises:
        IntegrityError: it is damaged, would have to execute code, or holds no state of a training.
        ConfigurationError: its training is as long already.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError):
        raise IntegrityError(
            f"{path}: expected a checkpoint, but it is damaged or cannot be read without executing code from it; where "
            "you trust it, save its `state_dict` anew and use init_weights_only_from_ckpt."
        ) from None
    missing = [key for key in _NEEDED if not isinstance(content, Mapping) or key not in content]
    if missing:
        raise IntegrityError(
            f"{path}: expected the state of a training to resume, but it has no {', '.join(missing)}; give a "
            "checkpoint that was saved with ckpt_weights_only: False, or use init_weights_only_from_ckpt."
        )
    done = int(content["epoch"]) + 1
    if done >= epochs:
        raise ConfigurationError(
            f"hyperparams.num_epochs: expected more than the {done} epochs of {path.name}, which is to be resumed, but "
            f"got {epochs}."
        )
    return dict(content)


def _reordered(state: Mapping[str, Any], listed: list[str], wanted: list[str]) -> dict[str, Any]:
    """The state of an optimiser for parameters in another order.

    Args:
        state: its `state_dict()`.
        listed: names of its parameters, in order.
        wanted: the same names in the order of ours.
    """
    position = {name: number for number, name in enumerate(listed)}
    numbered = state["state"]
    moved = {new: numbered[position[name]] for new, name in enumerate(wanted) if position[name] in numbered}
    group = {**state["param_groups"][0], "params": list(range(len(wanted)))}
    return {"state": moved, "param_groups": [group]}


def _progress(path: Path, content: Mapping[str, Any], state: TrainingState, train: TrainParams) -> Progress:
    """How far the training is; what was best so far only where those weights are at hand."""
    progress = Progress()
    known = content.get("callbacks", {}).get(_PROGRESS)
    if known is None:
        if train.scheduler == "reduce_on_plateau":
            _take_plateau(progress, content, train)
        return progress
    progress.restore(known)
    best = next(iter(path.parent.glob(f"ckpt-epoch={progress.best_epoch:02d}-*.ckpt")), None)
    if best is None:
        progress.best_score, progress.best_epoch, progress.best_valid = Progress().best_score, -1, {}
    else:
        kept = torch.load(best, map_location="cpu", weights_only=True)
        _save(state.best, network_tensors(kept["state_dict"]))
    return progress


def _take_plateau(progress: Progress, content: Mapping[str, Any], train: TrainParams) -> None:
    """How often torch's ReduceLROnPlateau has reduced the rate so far, and how long it has waited since."""
    plateau: Mapping[str, Any] = next(iter(content.get("lr_schedulers", ())), {})
    rate = content["optimizer_states"][0]["param_groups"][0]["lr"]
    if 0 < rate < train.learning_rate:
        progress.reductions = round(math.log(rate / train.learning_rate) / math.log(train.plateau_factor))
    progress.plateau_epochs = int(plateau.get("num_bad_epochs", 0))


def _save(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        torch.save(dict(content), temporary)
