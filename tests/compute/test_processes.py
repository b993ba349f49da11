"""Two processes score what one scores. They are real: the stage starts the second one itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.drawn_rows import ROOT
from tests.folders import digests, read_members, write_members
from tests.world import SmallRow, run_stage, small_row

from flairhub.compute.devices import Devices
from flairhub.compute.processes import Processes, this_process, working_together

CHANGES = {
    "row": {"seeds": [2025, 7]},
    "evaluate": {"write_predictions": True, "robustness": {"mask": [["DEM_ELEV"]]}},
}


SCRIPT = """
import json
from flairhub.data.sampler import RoiBatches
from flairhub.compute.devices import Devices
from flairhub.compute.processes import this_process, working_together

with working_together(Devices(accelerator="cpu", per_node=2, num_nodes=1, rank=0)) as processes:
    here = this_process()
    regions = ["a", "a", "a", "b", "c", "c", "d"]
    mine = [index for batch in RoiBatches(regions, 2, rank=here.rank, world_size=here.size) for _, index in batch]
    processes.wait()
    found = processes.gather((here.rank, mine))
if processes.first:
    print(json.dumps(found))
else:
    assert found == []
"""


def evaluated(folder: Path, devices: int) -> SmallRow:
    row = small_row(folder, ("AERIAL_RGBI", "DEM_ELEV"), **CHANGES)
    done = run_stage(row, "08_evaluate", FLAIRHUB_DEVICES=str(devices))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("X: O.A.") == 1, done.stdout
    return row


@pytest.mark.slow
def test_two_processes_write_what_one_writes(tmp_path: Path) -> None:
    one, two = (evaluated(tmp_path / str(devices), devices) for devices in (1, 2))
    assert digests(two.files.report) == digests(one.files.report)
    assert digests(two.files.predictions) == digests(one.files.predictions)
    assert {"confusion.parquet", "receipt.json", "seeds/7/details.json"} <= digests(two.files.report).keys()


@pytest.mark.slow
def test_two_processes_share_the_patches_and_tell_the_first_one(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {k: v for k, v in os.environ.items() if k not in {"RANK", "LOCAL_RANK", "WORLD_SIZE"}}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        env=environment | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (first, mine), (second, others) = json.loads(done.stdout)
    assert (first, second) == (0, 1)
    assert sorted(mine + others) == list(range(7))
    assert mine
    assert others


@pytest.mark.slow
def test_an_error_in_the_other_process_is_told_once_and_ends_both(tmp_path: Path) -> None:
    row = small_row(tmp_path, ("AERIAL_RGBI",))
    last = row.row.inputs.splits["test"][-1].patch_id
    path = row.archives / "D002-2021_AERIAL_RGBI.zip"
    region, members = last.split("_")[1], read_members(path)
    write_members(path, {name: data[:-1] + b"x" if region in name else data for name, data in members.items()})
    done = run_stage(row, "08_evaluate", FLAIRHUB_DEVICES="2")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert done.stderr.count("08_evaluate: ") == 1, done.stderr[-3000:]
    assert not row.files.receipt.exists()


def test_a_single_process_is_the_first_and_gathers_its_own() -> None:
    with working_together(Devices(accelerator="cpu", per_node=1, num_nodes=1, rank=0)) as processes:
        assert processes == this_process() == Processes(rank=0, size=1)
        processes.wait()
        assert processes.gather("a") == ["a"]
        assert processes.first
