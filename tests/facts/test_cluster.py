"""The index on real `dask worker` processes, one of which dies in the middle."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.fact_tables import index_archives
from tests.folders import digests

from flairhub.compute.executors import open_executor
from flairhub.config.runtime import RuntimeSettings
from flairhub.facts import index as module
from flairhub.facts import pieces

pytestmark = pytest.mark.slow
pytest.importorskip("distributed", reason="needs the extra `dask`")

SCHEDULER = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
ROOT = Path(__file__).parents[2]


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A program of the environment; ended with the block."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
    with subprocess.Popen(
        [sys.executable, "-m", *command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def said(program: subprocess.Popen[str], pattern: str) -> str:
    """What the program prints to its log; the rest of the log is read away, so that it never waits for us."""
    assert program.stderr is not None
    for line in program.stderr:
        if match := re.search(pattern, line):
            threading.Thread(target=program.stderr.read, daemon=True).start()
            return match[1]
    raise AssertionError(f"{program.args} ended without {pattern}")


def test_a_worker_that_dies_at_half_time_changes_no_byte(treesat, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "INLINE_BYTES", 0)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 200_000)
    expected = digests(index_archives(treesat, tmp_path, "one", cache=tmp_path / "c1"))

    with ExitStack() as stack:
        scheduler = stack.enter_context(process(*SCHEDULER))
        address = said(scheduler, r"Scheduler at:\s+(tcp://\S+)")
        worker = ("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        workers = [stack.enter_context(process(*worker, "--name", name)) for name in ("first", "second")]
        for each in workers:
            said(each, r"(Registered to)")
        cache = tmp_path / "c2"
        total = 24  # archives of patches, each at least one piece

        def kill() -> None:
            while len([path for path in cache.glob("D9*") if path.is_dir()]) < total // 2:
                time.sleep(0.01)
            workers[0].kill()

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        with open_executor(RuntimeSettings(scheduler=address)) as executor:
            index_archives(treesat, tmp_path, "many", cache=cache, executor=executor)
        killer.join(timeout=60)
        assert workers[0].poll() is not None, "it died while the other went on"
        assert workers[1].poll() is None
    assert digests(tmp_path / "many") == expected
    assert len(expected) == 24 + 16 + 2 + 1  # patches, dates, metadata, summary
