from __future__ import annotations

import multiprocessing

import pytest

from flairhub.cli import processes
from flairhub.compute.launcher import Launcher, find_launcher, is_dvc
from flairhub.rows.train import _require_pipeline
from flairhub.training.resume_state import OrphanError, training_state


def test_without_a_launcher_nothing_is_guarded():
    assert find_launcher().alive()


def test_a_launcher_that_is_gone_is_noticed_and_nothing_is_published(tmp_path):
    child = multiprocessing.get_context("fork").Process(target=int)
    child.start()
    pid = child.pid
    child.join()
    assert pid is not None
    gone = Launcher(((pid, 0.0),))
    assert not gone.alive()
    _require_pipeline(find_launcher(), training_state(tmp_path, "a"))
    with pytest.raises(OrphanError, match=r"but it is gone; the result stays in .*final"):
        _require_pipeline(gone, training_state(tmp_path, "a"))


@pytest.mark.parametrize(
    ("words", "is_one"),
    [
        (["/x/bin/python", "/x/bin/dvc", "repro"], True),
        (["python", "-m", "dvc", "repro"], True),
        (["python", "-c", processes.DVC, "/src", "repro"], True),  # of `flairhub repro`
        (["python", "-m", "flairhub.cli.main", "repro"], False),
        (["bash", "-c", "dvc repro"], False),
    ],
)
def test_which_process_is_dvc(words, is_one):
    assert is_dvc(words) is is_one
