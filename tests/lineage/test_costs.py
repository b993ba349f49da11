from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flairhub.files import read_json
from flairhub.lineage.costs import Costs, note_volatile, volatile_path
from flairhub.lineage.energy import EnergyMeter, GpuMeter, RaplMeter
from flairhub.lineage.git import git_state


def no_library(_: str) -> None:
    raise OSError("none")


def test_both_stages_of_a_row_are_noted(tmp_path: Path) -> None:
    note_volatile("LC-A", "train", 1_000, 3_500, tmp_path)
    note_volatile("LC-A", "evaluate", 5_000, 5_250, tmp_path)
    facts = read_json(volatile_path("LC-A", tmp_path))
    assert (facts["start_ms"], facts["end_ms"]) == (1_000, 5_250)
    assert (facts["train"]["seconds"], facts["evaluate"]["seconds"]) == (2.5, 0.25)
    assert facts["train"]["peak_memory_mb"] > 10


def test_variables_that_may_alter_a_last_bit_are_noted(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/otb/lib")
    note_volatile("LC-A", "evaluate", 3, 4, tmp_path)
    assert read_json(volatile_path("LC-A", tmp_path))["evaluate"]["variables"]["LD_LIBRARY_PATH"] == "/opt/otb/lib"


def test_a_new_training_drops_what_the_former_evaluation_took(tmp_path: Path) -> None:
    note_volatile("LC-A", "train", 1, 2, tmp_path)
    note_volatile("LC-A", "evaluate", 3, 4, tmp_path)
    note_volatile("LC-A", "train", 5, 6, tmp_path)
    assert "evaluate" not in read_json(volatile_path("LC-A", tmp_path))


def test_a_damaged_file_of_facts_does_not_break_the_stage(tmp_path: Path) -> None:
    path = volatile_path("LC-A", tmp_path)
    path.parent.mkdir(parents=True)
    for content in (b"{", b"[]", b"\xff"):
        path.write_bytes(content)
        note_volatile("LC-A", "evaluate", 3, 4, tmp_path)
        assert read_json(path)["end_ms"] == 4


def test_energy_is_noted_with_its_reason(tmp_path: Path) -> None:
    costs = Costs(meter=EnergyMeter(cpu=RaplMeter(tmp_path), gpu=GpuMeter(no_library)))
    costs.note("LC-A", "train", tmp_path)
    facts = read_json(volatile_path("LC-A", tmp_path))
    assert facts["train"]["energy"]["cpu_joules"] is None
    assert "no RAPL counter" in facts["train"]["energy"]["cpu_reason"]
    assert facts["train"]["start_ms"] == costs.start_ms <= facts["train"]["end_ms"]


def test_memory_of_running_and_of_ended_children_is_counted(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        "from pathlib import Path\n"
        "from flairhub.lineage.costs import note_volatile\n"
        "big = 'import sys; x = b\"1\" * 90_000_000; print(1, flush=True); sys.stdin.read()'\n"
        "child = subprocess.Popen([sys.executable, '-c', big], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "root = Path(sys.argv[1])\n"
        "note_volatile('running', 'train', 1, 2, root)\n"
        "child.communicate(b'')\n"
        "note_volatile('ended', 'train', 1, 2, root)\n"
    )
    source = Path(__file__).parents[2] / "src"
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True, env={"PYTHONPATH": str(source)})
    for name in ("running", "ended"):
        facts = read_json(volatile_path(name, tmp_path))["train"]
        assert facts["peak_memory_children_mb"] >= 85 > facts["peak_memory_mb"]


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
