"""Where the tasks of the index run."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from flairhub.config.runtime import RuntimeSettings
from flairhub.errors import ConfigurationError, FlairhubError
from flairhub.surroundings import own_libraries


class WorkerLostError(FlairhubError):
    """A process that worked on tasks is gone, and its task with it."""


@contextmanager
def open_executor(settings: RuntimeSettings) -> Iterator[Executor | None]:
    """An executor as the settings ask for: Dask, processes of this machine, or None for this process.

    Args:
        settings: `scheduler` names a running Dask cluster, whose workers must see the same disks under the same
            paths; otherwise `workers` processes are started when the first task comes.

    Raises:
        ConfigurationError: a scheduler is set, but Dask is not installed or does not answer.
        WorkerLostError: a process of this machine was killed, or one task killed several workers of the cluster.
    """
    if settings.scheduler is not None:
        with _dask(settings.scheduler) as executor:
            yield executor
    elif settings.workers <= 1:
        yield None
    else:
        # Fresh processes: a fork of one that has threads (pyarrow, GDAL) can hang.
        context = multiprocessing.get_context("spawn")
        try:
            with ProcessPoolExecutor(settings.workers, mp_context=context, initializer=_end_with_parent) as pool:
                try:
                    yield pool
                except BaseException:  # whatever it was, workers end with it; raised again below
                    _end_workers(pool)
                    raise
        except BrokenProcessPool:
            raise _lost(f"one of {settings.workers} processes ended", "fewer `workers`") from None


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def wait() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=wait, name="parent", daemon=True).start()


def _end_workers(pool: Executor) -> None:
    """After an error or an interruption nobody wants what workers are still at; pieces appear whole or not at all."""
    pool.shutdown(wait=False, cancel_futures=True)
    for process in multiprocessing.active_children():
        process.terminate()


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise ConfigurationError(
            "Expected the package `distributed` for the setting `scheduler`, but it is not installed; "
            "install flairhub[dask], or set scheduler to null."
        ) from None
    try:
        client = distributed.Client(address, timeout="30s")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"Expected a Dask scheduler at {address}, but got: {error}; start it, or set scheduler to null."
        ) from None
    try:
        with client, client.get_executor() as executor:
            client.register_worker_callbacks(setup=settle_worker)
            yield executor
    except distributed.KilledWorker as error:
        raise _lost(str(error).splitlines()[0], "workers with more memory") from None


def _lost(what: str, remedy: str) -> WorkerLostError:
    return WorkerLostError(
        f"Expected every worker to stay, but {what}, as happens where memory ends. What was read is kept: run the same "
        f"command again, with {remedy} if it happens again."
    )


def settle_worker() -> None:
    """What a stage does for itself and the processes it starts, in a worker that somebody else started."""
    own_libraries(os.environ)
