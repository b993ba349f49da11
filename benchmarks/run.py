"""Every part beside its limit: `make bench`, or some of them with `--only NAME`.

    python benchmarks/run.py [--only NAME ...] [--results FILE]

Data are drawn first (about a minute). Processor time is compared where one process works, wall clock where two do; the
latter says something on an idle machine only. Results of parts that are not measured stay in the file.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import drawn
import torch
from measured import Measurement, machine, table, write
from parts import index, loader, maps, startup, steps

RESULTS = Path(__file__).parent / "results.json"

WITH_DATA: dict[str, Callable[[drawn.Drawn], Measurement]] = {
    "loader_aerial": lambda data: loader.loader(data, "LC-A", 0, ">= 1.0"),
    "loader_aerial_2": lambda data: loader.loader(data, "LC-A", 2, ">= 1.8"),
    "loader_all": lambda data: loader.loader(data, "ALL", 0, ">= 1.5"),
    "loader_all_2": lambda data: loader.loader(data, "ALL", 2, ">= 2.7"),
    "bytes_per_sample": loader.bytes_per_sample,
    "train_step": steps.train_step,
    "valid_step": steps.valid_step,
    "index": index.index,
    "index_2": index.index_2,
    "first_step_train": lambda data: startup.first_step(data, "train", "< 5 s"),
    "first_step_evaluate": lambda data: startup.first_step(data, "evaluate", "< 3.5 s"),
}
ALONE: dict[str, Callable[[], Measurement]] = {
    "confusion": steps.confusion,
    "utae": maps.utae,
    "zonal": maps.zonal,
    "zonal_plain": maps.zonal_plain,
    "noop_repro": startup.noop_repro,
}


def main() -> None:
    """Measure, print a table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[*WITH_DATA, *ALONE], metavar="NAME", help="repeatable")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    chosen = arguments.only or [*WITH_DATA, *ALONE]
    torch.set_num_threads(1)
    found: dict[str, Measurement] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = drawn.draw(Path(folder)) if set(chosen) & set(WITH_DATA) else None
        for name in chosen:
            measure = WITH_DATA.get(name)
            found[name] = ALONE[name]() if measure is None or data is None else measure(data)
            write(arguments.results, {name: found[name]})
            print(f"{name}: {found[name].ratio:.2f} (goal {found[name].goal})", flush=True)
    print(table(found))
    print(machine())


if __name__ == "__main__":
    main()
