from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from flairhub.lineage.costs import Costs, note_costs
from flairhub.lineage.energy import EnergyMeter, RaplMeter
from flairhub.lineage.git import git_state
from flairhub.records.costs import RowCosts
from flairhub.records.layout import row_files


def path_of(root: Path, row: str = "LC-A") -> Path:
    return row_files(row, root).costs


def test_both_stages_of_a_row_are_noted(tmp_path: Path) -> None:
    note_costs(path_of(tmp_path), "train", 1_000, 3_500, tmp_path)
    note_costs(path_of(tmp_path), "evaluate", 5_000, 5_250, tmp_path)
    facts = RowCosts.read(path_of(tmp_path))
    assert (facts.start_ms, facts.end_ms) == (1_000, 5_250)
    assert (facts.train.seconds, facts.evaluate.seconds) == (2.5, 0.25)
    assert facts.train.peak_memory_mb > 10


def test_variables_that_may_alter_a_last_bit_are_noted(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/otb/lib")
    note_costs(path_of(tmp_path), "evaluate", 3, 4, tmp_path)
    assert RowCosts.read(path_of(tmp_path)).evaluate.variables["LD_LIBRARY_PATH"] == "/opt/otb/lib"


def test_a_new_training_drops_what_the_former_evaluation_took(tmp_path: Path) -> None:
    note_costs(path_of(tmp_path), "train", 1, 2, tmp_path)
    note_costs(path_of(tmp_path), "evaluate", 3, 4, tmp_path)
    note_costs(path_of(tmp_path), "train", 5, 6, tmp_path)
    assert "evaluate" not in RowCosts.read(path_of(tmp_path)).stages


def test_a_damaged_file_of_facts_does_not_break_the_stage(tmp_path: Path) -> None:
    path = path_of(tmp_path)
    path.parent.mkdir(parents=True)
    for content in (b"{", b"[]", b"\xff"):
        path.write_bytes(content)
        note_costs(path_of(tmp_path), "evaluate", 3, 4, tmp_path)
        assert RowCosts.read(path).end_ms == 4


def test_energy_is_noted_with_its_reason(tmp_path: Path) -> None:
    costs = Costs(meter=EnergyMeter(cpu=RaplMeter(tmp_path)))
    costs.note("LC-A", "train", tmp_path)
    facts = RowCosts.read(path_of(tmp_path))
    assert facts.train.energy.cpu_joules is None
    assert "no RAPL counter" in facts.train.energy.cpu_reason
    assert facts.train.start_ms == costs.start_ms <= facts.train.end_ms


def test_a_clock_that_goes_back_makes_no_negative_time(tmp_path: Path, monkeypatch) -> None:
    costs = Costs(meter=EnergyMeter(cpu=RaplMeter(tmp_path)))
    monkeypatch.setattr(time, "time_ns", lambda: (costs.start_ms - 3_600_000) * 1_000_000)
    time.sleep(0.05)
    costs.note("LC-A", "train", tmp_path)
    assert 0.05 <= RowCosts.read(path_of(tmp_path)).train.seconds < 3_600


def test_memory_of_running_and_of_ended_children_is_counted(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        "from pathlib import Path\n"
        "from flairhub.lineage.costs import note_costs\n"
        "big = 'import sys; x = b\"1\" * 90_000_000; print(1, flush=True); sys.stdin.read()'\n"
        "child = subprocess.Popen([sys.executable, '-c', big], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "root = Path(sys.argv[1])\n"
        "note_costs(root / 'running.json', 'train', 1, 2)\n"
        "child.communicate(b'')\n"
        "note_costs(root / 'ended.json', 'train', 1, 2)\n"
    )
    source = Path(__file__).parents[2] / "src"
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True, env={"PYTHONPATH": str(source)})
    for name in ("running", "ended"):
        facts = RowCosts.read(tmp_path / f"{name}.json").train
        assert facts.peak_memory_children_mb >= 85 > facts.peak_memory_mb


def test_git_tells_commit_and_dirtiness(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ("-c", "user.email=t@example.org", "-c", "user.name=t")
        return subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-q", "-m", "a")
    assert git_state(tmp_path) == {"git_commit": git("rev-parse", "HEAD").strip(), "git_dirty": False}
    (tmp_path / "new").write_text("untracked files are no change")
    assert git_state(tmp_path)["git_dirty"] is False
    (tmp_path / "a").write_text("2")
    assert git_state(tmp_path)["git_dirty"] is True
