"""A process that is asked to end does so once, in order, and soon."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flairhub.interruption import interruptible

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

SCRIPT = """
import os, signal, subprocess, sys, time
from flairhub.interruption import interruptible
for each in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(each, signal.SIG_DFL)  # whatever these tests were started with, nohup for one
signal.signal(signal.SIGINT, signal.default_int_handler)
with interruptible("program", 1.0) as interruption:
    {before}
    try:
        print("ready", flush=True)
        time.sleep(30)
    except KeyboardInterrupt:
        {after}
"""


def run(before: str, after: str, number: signal.Signals | None, **options: object) -> tuple[int, str, str, float]:
    """Status, output, errors and the time from the signal to the end, seconds."""
    command = [sys.executable, "-c", SCRIPT.format(before=before, after=after)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]  # options of any kind
    assert process.stdout.readline() == "ready\n", process.communicate()
    since = time.monotonic()
    if number is not None:
        process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    return process.returncode, output, errors, time.monotonic() - since


@pytest.mark.parametrize("number", SIGNALS)
def test_every_signal_is_an_interruption(number):
    status, output, errors, _ = run("pass", "print(interruption.words)", number)
    assert (status, errors) == (0, "")
    assert output == "program: interrupted; the same command goes on from here\n"


def test_what_does_not_come_back_ends_with_all_that_it_started(tmp_path):
    child = "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, file=open('pid', 'w'))"
    status, _, errors, took = run(child, "time.sleep(60)", signal.SIGTERM, cwd=tmp_path)
    assert status == 130
    assert errors == "program: interrupted; the same command goes on from here\n"
    assert 1.0 <= took < 8.0
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_second_signal_disturbs_nothing():
    after = "os.kill(os.getpid(), signal.SIGTERM); os.kill(os.getpid(), signal.SIGINT); print('in order')"
    assert run("pass", after, signal.SIGTERM)[:3] == (0, "in order\n", "")


def test_who_is_watched_and_goes_takes_the_process_along():
    before = "until = time.monotonic() + 0.5; interruption.watch(lambda: time.monotonic() < until, 'it is gone')"
    status, output, errors, took = run(before, "print(interruption.words)", None)
    assert (status, output, errors) == (0, "program: it is gone; the same command goes on from here\n", "")
    assert took < 5.0


def test_what_is_ignored_stays_so_and_handlers_come_back():
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a script
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with interruptible("program", 60.0) as interruption:
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            assert interruption.reason == "interrupted"
    finally:
        signal.signal(signal.SIGHUP, before[signal.SIGHUP])
        found = {number: signal.getsignal(number) for number in SIGNALS}
        signal.signal(signal.SIGINT, inherited)
    assert found == before


def test_a_command_says_one_line(tmp_path):
    """Here a command that ignores what happened to it: its worker ended first, with an error of its own."""
    script = (
        "import sys, time\nfrom flairhub.cli import main, rows\n"
        "def run(arguments):\n    try:\n        print('ready', flush=True)\n        time.sleep(30)\n"
        "    except KeyboardInterrupt:\n        raise RuntimeError('DataLoader worker (pid 7) is killed by signal')\n"
        "rows.run = run\nsys.exit(main.main(['rows']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n", process.communicate()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, "flairhub: interrupted; the same command goes on from here\n")
    assert not list(Path(tmp_path).iterdir())
