from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from flairhub.locks import BusyError, locked


def test_a_second_holder_is_told_or_waits(tmp_path):
    path = tmp_path / "deep" / "x.lock"
    with locked(path), pytest.raises(BusyError, match=r"x\.lock"), locked(path, wait=False):
        pass
    with locked(path, wait=False):
        pass


def test_a_killed_holder_frees_its_lock(tmp_path):
    path = tmp_path / "x.lock"
    code = f"""
import sys, time
from pathlib import Path
from flairhub.locks import locked
with locked(Path({str(path)!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BusyError, match="another process"), locked(path, wait=False):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with locked(path, wait=False):
        pass


def test_who_waited_for_a_file_that_is_removed_takes_the_lock_of_the_name(tmp_path):
    """Two processes must never hold two files of one name."""
    path = tmp_path / "folder" / "x.lock"
    order: list[str] = []
    started = threading.Event()

    def wait() -> None:
        started.set()
        with locked(path):
            order.append("second")
            with pytest.raises(BusyError, match=str(os.getpid())), locked(path, wait=False):
                pass

    with locked(path):
        thread = threading.Thread(target=wait)
        thread.start()
        started.wait()
        time.sleep(0.2)
        order.append("first")
        shutil.rmtree(path.parent)
    thread.join(10)
    assert order == ["first", "second"]
    assert path.is_file()
