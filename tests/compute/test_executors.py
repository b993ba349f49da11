from __future__ import annotations

import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import psutil
import pytest

from flairhub.compute.executors import WorkerLostError, open_executor
from flairhub.config.runtime import RuntimeSettings
from flairhub.errors import ConfigurationError


@pytest.mark.parametrize("workers", [0, 1])
def test_one_worker_is_this_process(workers):
    with open_executor(RuntimeSettings(workers=workers)) as executor:
        assert executor is None


def test_several_workers_are_processes():
    with open_executor(RuntimeSettings(workers=2)) as executor:
        assert isinstance(executor, ProcessPoolExecutor)
        assert executor.submit(math.sqrt, 16).result() == 4


def test_a_killed_process_is_named_and_what_to_do():
    with (
        pytest.raises(WorkerLostError, match=r"one of 2 processes ended.*same command again, with fewer `workers`"),
        open_executor(RuntimeSettings(workers=2)) as executor,
    ):
        executor.submit(os._exit, 9).result()


def test_an_interruption_waits_for_no_task():
    def work() -> None:
        with open_executor(RuntimeSettings(workers=2)) as executor:
            running = [executor.submit(time.sleep, 60) for _ in range(5)]
            while not running[0].running():
                time.sleep(0.05)
            raise KeyboardInterrupt

    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work()
    assert time.monotonic() - before < 20
    # The pool's own thread also waits for them: who asks between its wait and its note sees them still running.
    until = time.monotonic() + 20
    while (left := multiprocessing.active_children()) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == []


def test_workers_end_with_the_process_that_started_them(tmp_path):
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom flairhub.compute.executors import open_executor\n"
        "from flairhub.config.runtime import RuntimeSettings\n"
        "if __name__ == '__main__':\n"
        "    with open_executor(RuntimeSettings(workers=2)) as executor:\n"
        "        Path('pid').write_text(str(executor.submit(os.getpid).result()))\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "main.py").write_text(script)
    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    distributed = pytest.importorskip("distributed", reason="needs the extra `dask`")

    def unreachable(address, timeout):
        raise OSError(f"Timed out trying to connect to {address} after {timeout}")

    monkeypatch.setattr(distributed, "Client", unreachable)
    with (
        pytest.raises(ConfigurationError, match="Dask scheduler at tcp://nowhere:1"),
        open_executor(RuntimeSettings(scheduler="tcp://nowhere:1")),
    ):
        pass


@pytest.mark.slow
def test_a_dask_cluster_runs_the_tasks(monkeypatch):
    monkeypatch.setenv("PROJ_LIB", "theirs")
    distributed = pytest.importorskip("distributed", reason="needs the extra `dask`")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        open_executor(RuntimeSettings(scheduler=cluster.scheduler_address)) as executor,
    ):
        assert executor.submit(math.sqrt, 16).result() == 4
        assert executor.submit(os.environ.get, "PROJ_LIB").result() is None
