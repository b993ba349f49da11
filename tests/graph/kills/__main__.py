"""`python -m tests.graph.kills --kills N --seed S --folder F`: runs that are killed; exit status 1 if one left a trace.

Every round begins with a fresh clone of two rows. `dvc repro` or `flairhub repro` is killed, with all its processes,
at a random file operation or after a random time, and run again - which may be killed too; the last run is not. Then
the table, the weights and the figures must have the bytes of a clone in which nothing was ever killed.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.graph.fuzz.inputs import Inputs, Material, put
from tests.graph.fuzz.material import copy_base, make_material
from tests.graph.fuzz.processes import Done, Moment, become_dvc, dvc, flairhub, preload

ROOT = Path(__file__).parents[3]
MOST_PER_ROUND = 6
RESULTS = ("reports/benchmark.csv", "reports/rows/*/metrics.json", "reports/rows/*/confusion.parquet", "models/*/*.s*")
REFUSED = re.compile(r"RWLock-file .* corrupted|dvc\.lock' (validation failed|is invalid)")
"""What `dvc repro` says of the two files that it writes in place, where a kill cut one; `flairhub repro` mends them."""


class TraceError(Exception):
    """What a killed run left behind changed something."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A clone in which nothing was killed."""

    results: dict[str, bytes]
    events: int
    seconds: float


def results_of(clone: Path) -> dict[str, bytes]:
    """Path -> bytes of what must not depend on kills."""
    files = [path for pattern in RESULTS for path in sorted(clone.glob(pattern))]
    return {path.relative_to(clone).as_posix(): path.read_bytes() for path in files}


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.graph.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--folder", type=Path, required=True, help="for clones")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    become_dvc(folder, "tests.graph.kills.__main__")
    preload(ROOT / "src")
    material = make_material(folder / "material")
    whole = _whole(material, folder / "whole" / "clone")
    chance, places, rounds = random.Random(arguments.seed), Counter[str](), 0
    while places.total() < arguments.kills:
        rounds += 1
        clone = folder / f"round-{rounds}" / "clone"
        _fresh(material, clone)
        try:
            places += _round(clone, whole, chance, arguments.kills - places.total())
        except TraceError as error:
            print(f"\nround {rounds}: {error}\n  left in {clone}", flush=True)
            return 1
        print(f"round {rounds}: {places.total()} kills so far", flush=True)
        shutil.rmtree(clone.parent)
    where = ", ".join(f"{name} {number}" for name, number in sorted(places.items()))
    print(f"{places.total()} kills in {rounds} rounds, every table has the same bytes; killed in: {where}")
    return 0


def _fresh(material: Material, clone: Path) -> None:
    copy_base(material, clone)
    put(material, clone, Inputs())


def _whole(material: Material, clone: Path) -> Whole:
    _fresh(material, clone)
    before = time.monotonic()
    done = dvc(clone, "repro")
    assert done.status == 0, done.output[-4000:]
    return Whole(results_of(clone), done.events, time.monotonic() - before)


def _round(clone: Path, whole: Whole, chance: random.Random, most: int) -> Counter[str]:
    """Kills until a run survives; returns where they happened."""
    places: Counter[str] = Counter()
    while places.total() < min(most, MOST_PER_ROUND):
        by_time = chance.random() < 0.5
        share = chance.random() / 2
        seconds = share * whole.seconds if by_time else None
        done = _repro(clone, chance, Moment(event=1 + int(share * whole.events), seconds=seconds))
        if done.status >= 0:
            if done.status > 0:
                raise TraceError(f"a run after {dict(places)} failed:\n{done.output[-4000:]}")
            break
        places[_stage(done.output)] += 1
    last = _repro(clone, chance, None)
    if last.status != 0:
        raise TraceError(f"the run after {dict(places)} failed:\n{last.output[-4000:]}")
    found = results_of(clone)
    changed = sorted(name for name in whole.results | found if whole.results.get(name) != found.get(name))
    if changed:
        raise TraceError(f"after kills in {dict(places)} these are others: {', '.join(changed)}")
    return places


def _repro(clone: Path, chance: random.Random, moment: Moment | None) -> Done:
    if chance.random() < 0.5:
        done = dvc(clone, "repro", moment=moment)
        if done.status <= 0 or not REFUSED.search(done.output):
            return done
        print("  DVC refuses a file of its own that a kill cut; flairhub repro", flush=True)
    return flairhub(clone, "repro", "--jobs", "1", moment=moment)


def _stage(output: str) -> str:
    """The last stage that DVC began, without its row."""
    begun = re.findall(r"^Running stage '([^'@]+)", output, flags=re.MULTILINE)
    return begun[-1] if begun else "before the first stage"


if __name__ == "__main__":
    sys.exit(main())
