from __future__ import annotations

import math
import os
from concurrent.futures import ProcessPoolExecutor

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
