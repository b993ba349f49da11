"""Stops a process of the pipeline at an exact moment. Python imports this module at start from PYTHONPATH.

Nothing of the package knows of it. `MOMENTS` in the environment is a JSON list of
`{"module", "name", "call", "action"}`: at the given call (from 1) of a function, or of the replacement of a file
whose path ends so (`module` is null), the process kills its whole process group ("kill"), kills its children
("kill workers"), has no memory left ("memory") or waits until the file `MOMENTS_GO` exists ("wait"). What happened is
appended to `MOMENTS_LOG` before.

`CLOCK_GOES_BACK` is the number of readings after which the clock of the day goes back by an hour, again and again.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path

MOMENTS = json.loads(os.environ.get("MOMENTS", "[]"))


def act(moment):
    moment["call"] -= 1
    if moment["call"] != 0:
        return
    with Path(os.environ["MOMENTS_LOG"]).open("a") as log:
        log.write(f"{moment['name']} {os.getpid()}\n")
        log.flush()
        os.fsync(log.fileno())
    if moment["action"] == "kill":
        os.killpg(os.getpgid(0), signal.SIGKILL)
    if moment["action"] == "kill workers":
        import psutil

        for child in psutil.Process().children():
            child.kill()
        return
    if moment["action"] == "memory":
        raise MemoryError
    while not Path(os.environ["MOMENTS_GO"]).exists():
        time.sleep(0.02)


def watched(function, moment):
    @functools.wraps(function)
    def call(*args, **kwargs):
        act(moment)
        return function(*args, **kwargs)

    return call


def patch(module):
    for moment in MOMENTS:
        if moment["module"] == module.__name__:
            holder = module
            *path, last = moment["name"].split(".")
            for part in path:
                holder = getattr(holder, part)
            setattr(holder, last, watched(getattr(holder, last), moment))


class Finder:
    """Patches a watched module as soon as it has been executed."""

    def find_spec(self, name, _path, _target=None):
        if name not in {moment["module"] for moment in MOMENTS}:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            patch(module)

        spec.loader.exec_module = exec_module
        return spec


replace_file = Path.replace


def replace(self, target):
    for moment in MOMENTS:
        if moment["module"] is None and str(target).endswith(moment["name"]):
            if moment["call"] == 1 and moment["action"] == "kill" and self.is_file():
                # what a kill in the middle of writing leaves
                os.truncate(self, self.stat().st_size // 2)
            act(moment)
    return replace_file(self, target)


def back(reading, hour, every):
    """A clock of the day that goes back by an hour after so many readings, again and again."""
    count = itertools.count()
    return lambda: reading() - next(count) // every * hour


if "CLOCK_GOES_BACK" in os.environ:
    EVERY = int(os.environ["CLOCK_GOES_BACK"])
    time.time = back(time.time, 3600.0, EVERY)
    time.time_ns = back(time.time_ns, 3600 * 10**9, EVERY)

if MOMENTS:
    sys.meta_path.insert(0, Finder())
    Path.replace = replace
