"""What a measurement is: ours beside its limit, alternately in one run, so that a busy machine slows both."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tabulate import tabulate


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One part beside its limit; every number is a median over rounds."""

    ours: float
    limit: float
    unit: str
    against: str
    """What the limit is."""
    goal: str
    """What `ratio` should be."""
    spread: tuple[float, float] = (float("nan"), float("nan"))
    """Smallest and largest ratio of a round."""
    ratio: float


def compared(pairs: Sequence[tuple[float, float]], *, unit: str, against: str, goal: str) -> Measurement:
    """A measurement from pairs (ours, limit) of rounds."""
    ratios = [ours / limit for ours, limit in pairs]
    ours, limit = (statistics.median(column) for column in zip(*pairs, strict=True))
    spread = (min(ratios), max(ratios))
    return Measurement(
        ours=ours, limit=limit, unit=unit, against=against, goal=goal, spread=spread, ratio=statistics.median(ratios)
    )


def in_turns(ours: Callable[[], float], limit: Callable[[], float], rounds: int) -> list[tuple[float, float]]:
    """Pairs of values; one round more, which warms up, is not kept."""
    pairs = []
    for turn in range(rounds + 1):  # each goes first every other time
        if turn % 2:
            pairs.append((ours(), limit()))
        else:
            second = limit()
            pairs.append((ours(), second))
    return pairs[1:]


def cpu_seconds(run: Callable[[], object]) -> float:
    """Processor time of this process, all its threads."""
    start = time.process_time()
    run()
    return time.process_time() - start


def seconds(run: Callable[[], object]) -> float:
    """Wall clock."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def cpu_of(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, status: int = 0
) -> float:
    """Processor time of a process and of those it waits for, from start to end, which has to have this status."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})}, check=False, capture_output=True, text=True
    )
    if ended.returncode != status:
        raise RuntimeError(f"{command} ended with {ended.returncode}: {ended.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def machine() -> dict[str, object]:
    """What the figures were measured on, and how busy it was."""
    model = platform.processor()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    libraries = ("torch", "numpy", "rasterio", "imagecodecs", "lightning", "dvc")
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in libraries},
        "gpu": None,
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


def write(path: Path, found: Mapping[str, Measurement]) -> None:
    """Add measurements to a file of results; others in it stay."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name, each in found.items():
        known[name] = {"ours": each.ours, "limit": each.limit, "ratio": each.ratio, "unit": each.unit}
        known[name] |= {"against": each.against, "goal": each.goal, "spread": list(each.spread), "machine": machine()}
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def table(found: Mapping[str, Measurement]) -> str:
    """The same for a reader."""
    rows = [
        [
            *(name, f"{each.ours:.4g}", f"{each.limit:.4g}", each.unit, f"{each.ratio:.2f}"),
            *(f"{each.spread[0]:.2f}-{each.spread[1]:.2f}", each.goal, each.against),
        ]
        for name, each in found.items()
    ]
    return tabulate(
        rows, ("part", "ours", "limit", "unit", "ratio", "spread", "goal", "against"), disable_numparse=True
    )
