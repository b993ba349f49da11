"""`python -m tests.graph.fuzz --sequences N --seed S --folder F`: random sequences; exit status 1 if the graph lied.

What fresh clones give is kept in F/oracle, so that a second call does not run them again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.graph.fuzz.processes import become_dvc

ROOT = Path(__file__).parents[3]


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.graph.fuzz", description=__doc__)
    parser.add_argument("--sequences", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="number of the first sequence")
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--folder", type=Path, required=True, help="for clones and what fresh ones give")
    parser.add_argument("--keep-going", action="store_true", help="after a sequence that found something, too")
    parser.add_argument(
        "--lie", action="store_true", help="test of the fuzzer: a clone's parameters are not those told"
    )
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    become_dvc(folder, "tests.graph.fuzz.__main__")
    return _run(arguments, folder)


def _run(arguments: argparse.Namespace, folder: Path) -> int:
    from tests.graph.fuzz.material import make_material
    from tests.graph.fuzz.oracle import Oracle
    from tests.graph.fuzz.processes import preload
    from tests.graph.fuzz.sequences import FoundError, Sequence

    started = time.monotonic()
    preload(ROOT / "src")
    own = folder / f"run-{os.getpid()}"
    material = make_material(own / "material")
    oracle = Oracle(material, kept=folder / "oracle", scratch=own / "fresh")
    found = 0
    for number in range(arguments.first, arguments.first + arguments.sequences):
        before = time.monotonic()
        sequence = Sequence(number, arguments.seed, material, oracle, own / f"sequence-{number}" / "clone")
        if arguments.lie:
            _lie(sequence.clone)
        try:
            sequence.run()
        except FoundError as error:
            found += 1
            print(f"\nFOUND {error}\n  left in {sequence.clone}", flush=True)
            if not arguments.keep_going:
                return 1
        else:
            print(f"sequence {number}: {len(sequence.story)} steps, {time.monotonic() - before:.0f} s", flush=True)
    cpu = sum(os.times()[:4])
    print(
        f"{arguments.sequences} sequences, {found} found something; {oracle.runs} fresh clones; "
        f"{time.monotonic() - started:.0f} s, of the CPU {cpu:.0f} s"
    )
    return int(found > 0)


def _lie(clone: Path) -> None:
    """Code that no fresh clone has, committed, so that nothing brings back the other."""
    path = clone / "src/flairhub/training/losses.py"
    path.write_text(path.read_text() + "\n_LIE = 1\n")
    subprocess.run(["git", "commit", "-qam", "lie"], cwd=clone, check=True)


if __name__ == "__main__":
    sys.exit(main())
