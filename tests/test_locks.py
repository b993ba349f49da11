from __future__ import annotations

import os
import signal
import subprocess
import sys

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
