"""A result is carried over to code that computes the same, and to no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.world import SETTINGS, SmallRow, small_row

from flairhub.errors import ConfigurationError, IntegrityError, MissingFileError
from flairhub.lineage.keys import code_sha256, file_sha256, seed_keys
from flairhub.records.code import Fingerprint
from flairhub.records.history import StepLosses
from flairhub.records.inputs import write_inputs
from flairhub.records.layout import RowFiles
from flairhub.records.probe import Probe
from flairhub.rows import adopt as module
from flairhub.rows.adopt import Adopted, adopt_row
from flairhub.rows.train import TrainingIdentity, TrainingPlace, train_row
from flairhub.training import runner
from flairhub.training.resume_state import training_state
from flairhub.weights.checkpoints import read_contract, tensors_sha256

torch.set_num_threads(1)


class World:
    """A row that was trained under the code `train`; `code` edits that."""

    def __init__(self, folder: Path, **train: Any) -> None:
        self.folder = folder
        # four training patches: two optimiser steps per epoch
        usual = {"global_batch_size": 2, "epochs": 2, "threads": 1, "validate_every": 1}
        self.small: SmallRow = small_row(folder / "row", ("AERIAL_RGBI",), train=usual | train)
        self.files: RowFiles = self.small.files
        self.state = folder / "state"
        self.train()

    def code(self, sha256: str) -> None:
        Fingerprint(stage="train", sha256=sha256, parts={}).write(self.files.train_code)

    @property
    def key(self) -> str:
        (key,) = seed_keys(self.files.inputs, self.files.train_code).values()
        return key

    def train(self) -> None:
        """As the stage does; a result that is there already is published."""
        files = self.files
        identity = TrainingIdentity(
            keys=seed_keys(files.inputs, files.train_code),
            inputs_sha256=file_sha256(files.inputs),
            code_sha256=code_sha256(files.train_code),
        )
        place = TrainingPlace(
            archives=self.small.archives, state=self.state, destination=files.model, summary=self.folder / "summary"
        )
        train_row(files.inputs, identity, place, SETTINGS)

    def adopt(self, steps: int = 50) -> Adopted:
        (adopted,) = adopt_row(self.files, self.small.archives, self.state, SETTINGS, steps=steps)
        return adopted


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)


def test_an_equal_result_is_carried_over_and_published_without_a_step(world, monkeypatch):
    before, tensors = read_contract(world.files.weights), tensors_sha256(world.files.weights)
    assert world.adopt().adoption is None, "today's code made it"
    chain = []
    for code in ("second", "third"):
        world.code(code)
        adoption = world.adopt().adoption
        assert adoption is not None
        assert (adoption.steps, adoption.equal, adoption.tolerance) == (4, "bits", 0.0)
        chain.append((adoption.from_code, adoption.to_code))
        with monkeypatch.context() as patched:
            patched.setattr("flairhub.rows.train.fit", pytest.fail)
            world.train()
    after = read_contract(world.files.weights)
    assert chain == [("train", "second"), ("second", "third")]
    assert [(each.from_code, each.to_code) for each in after.adoptions] == chain
    assert (after.row_key, after.code_sha256) == (world.key, "third")
    assert replace(after, row_key=before.row_key, code_sha256="train", adoptions=()) == before
    assert tensors_sha256(world.files.weights) == tensors


def test_the_first_step_that_differs_is_named_and_nothing_is_carried_over(world, monkeypatch):
    forward = runner.Objective.forward
    world.code("second")
    monkeypatch.setattr("flairhub.training.module.build_optimizer", lambda _, parameters: torch.optim.SGD(parameters))
    with pytest.raises(IntegrityError, match=r"at step 2, as .*steps\.csv"):
        world.adopt()
    monkeypatch.undo()
    monkeypatch.setattr(runner.Objective, "forward", lambda *given: forward(*given) * 1.000001)
    with pytest.raises(IntegrityError, match="at step 1, "):
        world.adopt(1)
    assert not training_state(world.state, world.key).final.is_dir()


def test_other_logits_are_refused(world):
    kept = Probe.read(world.files.probe)
    replace(kept, sha256=dict.fromkeys(kept.sha256, "0" * 64)).write(world.files.probe)
    world.code("second")
    with pytest.raises(IntegrityError, match=r"logits of AERIAL_LABEL-COSIA .*Train the row again"):
        world.adopt(1)


def elsewhere(world, monkeypatch, **changes):
    here = read_contract(world.files.weights).environment
    monkeypatch.setattr(module, "training_environment", lambda *_: replace(here, **changes))
    world.code("second")


def losses_times(world, factor):
    points = StepLosses.read(world.files.steps).points
    StepLosses(points=tuple((step, loss * factor) for step, loss in points)).write(world.files.steps)


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"libraries": {"torch": "9.9.9"}}, "-> 9.9.9"),
        ({"threads": 5}, "threads 1 -> 5"),
        ({"device_class": "NVIDIA H100"}, "NVIDIA H100 adds up in no fixed order"),
    ],
)
def test_where_bits_cannot_be_asked_for_a_tolerance_holds_and_the_proof_states_it(world, monkeypatch, changes, because):
    elsewhere(world, monkeypatch, **changes)
    losses_times(world, 1.0001)
    adoption = world.adopt().adoption
    assert adoption is not None
    assert (adoption.equal, adoption.tolerance) == ("tolerance", module.TOLERANCE)
    assert adoption.difference == pytest.approx(1e-4, rel=1e-3)
    assert because in " ".join(adoption.because)
    world.train()
    assert read_contract(world.files.weights).adoptions == (adoption,)


def test_a_tolerance_has_an_end(world, monkeypatch):
    elsewhere(world, monkeypatch, device_class="another")
    losses_times(world, 1.01)
    with pytest.raises(IntegrityError, match="at step 1"):
        world.adopt()


def test_equal_bits_are_equal_bits_whatever_was_allowed(world, monkeypatch):
    elsewhere(world, monkeypatch, libraries={"torch": "9.9.9"})
    adoption = world.adopt().adoption
    assert adoption is not None
    assert (adoption.equal, adoption.tolerance, adoption.difference, adoption.because) == ("bits", 0.0, 0.0, ())


def test_on_the_same_cpu_the_last_bit_counts(world, monkeypatch):
    elsewhere(world, monkeypatch)
    losses_times(world, 1 + 1e-9)
    with pytest.raises(IntegrityError, match="at step 1"):
        world.adopt()


def test_only_a_change_of_code_can_be_adopted(world):
    inputs = world.small.row.inputs
    changed = inputs.recipe.train.model_copy(update={"weight_decay": 0.5})
    write_inputs(world.files.inputs, replace(inputs, recipe=inputs.recipe.model_copy(update={"train": changed})))
    with pytest.raises(ConfigurationError, match="those of today are others"):
        world.adopt()


def test_a_result_that_is_not_here_or_keeps_no_probe_is_named(world):
    world.code("second")
    world.files.probe.unlink()
    with pytest.raises(MissingFileError, match=r"probe\.json"):
        world.adopt()


@pytest.mark.parametrize(("steps", "validations"), [(1, 0), (2, 1), (3, 1)])
def test_a_rehearsal_does_not_validate_an_epoch_that_it_cut(world, monkeypatch, steps, validations):
    seen = []
    validate = runner.Validation.__call__

    def counted(self: Any) -> Any:
        seen.append(1)
        return validate(self)

    monkeypatch.setattr(runner.Validation, "__call__", counted)
    world.code("second")
    assert world.adopt(steps).adoption.steps == steps
    assert len(seen) == validations
