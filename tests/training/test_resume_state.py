from __future__ import annotations

import multiprocessing
import os

import pytest

from flairhub.locks import BusyError
from flairhub.training.resume_state import drop_finished, note_start, publish, training_state


def hold(folder, ready, release):
    with training_state(folder, "k" * 64).locked():
        ready.set()
        release.wait(30)


def test_a_second_process_is_refused_or_waits(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, release))
    other.start()
    assert ready.wait(30)
    state = training_state(tmp_path, "k" * 64)
    with pytest.raises(BusyError, match=str(other.pid)), state.locked(wait=False):
        pass
    release.set()
    with state.locked(wait=True):
        assert (state.folder / "lock").read_text() == str(os.getpid())
    other.join()


def test_what_a_killed_process_left_half_written_goes(tmp_path):
    state = training_state(tmp_path, "k" * 64)
    state.folder.mkdir(parents=True)
    state.checkpoint.write_text("whole")
    (state.folder / ".last.a1b2.ckpt").write_text("ha")
    with state.locked():
        assert sorted(path.name for path in state.folder.iterdir()) == ["last.ckpt", "lock"]


def test_a_finished_training_appears_at_once_and_drops_its_checkpoint(tmp_path):
    state = training_state(tmp_path, "a" * 64)
    state.folder.mkdir(parents=True)
    state.checkpoint.write_text("c")
    source = tmp_path / "weights"
    source.write_text("w")
    state.finish({"model.safetensors": source})
    assert (state.final / "model.safetensors").read_text() == "w"
    assert not state.checkpoint.exists()
    assert not source.exists()


def test_publishing_copies_and_keeps_the_state(tmp_path):
    state = training_state(tmp_path, "a" * 64)
    state.folder.mkdir(parents=True)
    source = tmp_path / "weights"
    source.write_text("w")
    state.finish({"model.safetensors": source})
    publish(state.final, tmp_path / "models" / "LC-A")
    assert [path.name for path in (tmp_path / "models" / "LC-A").iterdir()] == ["model.safetensors"]
    assert (state.final / "model.safetensors").exists()


def test_only_results_that_are_safe_elsewhere_are_dropped(tmp_path):
    for key in ("a", "b"):
        state = training_state(tmp_path, key * 64)
        state.folder.mkdir(parents=True)
        state.finish({})
    assert drop_finished(tmp_path, {"a" * 32}) == ["a" * 32]
    assert not training_state(tmp_path, "a" * 64).folder.exists()
    assert training_state(tmp_path, "b" * 64).final.is_dir()


def test_a_state_that_another_process_holds_is_left_alone(tmp_path):
    """It may be publishing: deleting the files under it ended a finished training."""
    state = training_state(tmp_path, "k" * 64)
    state.folder.mkdir(parents=True)
    state.finish({})
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, release))
    other.start()
    assert ready.wait(30)
    assert drop_finished(tmp_path, {"k" * 32}) == []
    assert state.final.is_dir()
    release.set()
    other.join()
    assert drop_finished(tmp_path, {"k" * 32}) == ["k" * 32]


def test_starts_are_counted_and_the_first_is_kept(tmp_path):
    state = training_state(tmp_path, "a" * 64)
    assert note_start(state, 5) == {"start_ms": 5, "resumed": 0}
    assert note_start(state, 9) == {"start_ms": 5, "resumed": 1}
