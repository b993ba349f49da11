"""On real DVC, with a stage of one line: what is edited between DVC's two readings is not recorded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # a dozen starts of DVC

SOURCE = Path(__file__).parents[2] / "src"
DVC_YAML = """
stages:
  double:
    cmd: {python} double.py
    deps: [table.txt]
    params: [number]
    outs: [out.txt]
"""
DOUBLE = """
from pathlib import Path
number = int(Path("params.yaml").read_text().split(": ")[1])
Path("out.txt").write_text(str(2 * number) + Path("table.txt").read_text())
edit = Path("edit.txt")
if edit.exists():
    name, text = edit.read_text().split(" = ")
    Path(name).write_text(text)
    edit.unlink()
"""
RUN = """
import sys
from dvc.cli import main
from dvc.stage.cache import StageCache
from flairhub.cli.recorded import guard
guard()
if sys.argv[1] == "late":
    restore = StageCache.restore
    def late(*arguments, **options):
        restore(*arguments, **options)
        open("params.yaml", "w").write("number: 7")
    StageCache.restore = late
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text(DVC_YAML.format(python=sys.executable))
    (tmp_path / "double.py").write_text(DOUBLE)
    (tmp_path / "params.yaml").write_text("number: 1")
    (tmp_path / "table.txt").write_text("a")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=tmp_path, check=True)
    return tmp_path


def dvc(folder: Path, *words: str, when: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, when, *words]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(SOURCE), "PATH": ""}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize(("named", "text", "wanted"), [("params.yaml", "number: 3", "6a"), ("table.txt", "b", "2b")])
def test_what_is_edited_after_a_stage_is_not_recorded(repository, named, text, wanted, force):
    (repository / "edit.txt").write_text(f"{named} = {text}")
    failed = dvc(repository, "repro", *force)
    assert failed.returncode != 0
    assert f"Expected what double depends on to stay as it was when DVC looked at it, but {named} changed" in (
        failed.stderr
    )
    assert not (repository / "dvc.lock").exists()
    assert dvc(repository, "repro").returncode == 0
    assert (repository / "out.txt").read_text() == wanted


def test_what_is_edited_while_a_result_comes_from_the_cache_is_not_recorded(repository):
    for number in (1, 2):
        (repository / "params.yaml").write_text(f"number: {number}")
        assert dvc(repository, "repro").returncode == 0
    lock = (repository / "dvc.lock").read_text()
    (repository / "params.yaml").write_text("number: 1")
    failed = dvc(repository, "repro", when="late")
    assert "params.yaml changed; its result is not recorded" in failed.stderr
    assert (repository / "dvc.lock").read_text() == lock
    (repository / "params.yaml").write_text("number: 7")
    assert dvc(repository, "repro").returncode == 0
    assert (repository / "out.txt").read_text() == "14a"


def test_a_run_in_which_nothing_is_edited_is_recorded_and_comes_back(repository):
    assert dvc(repository, "repro").returncode == 0
    assert "didn't change" in dvc(repository, "repro").stdout
    (repository / "out.txt").unlink()
    assert "cached" in dvc(repository, "repro").stdout
    assert dvc(repository, "repro", "--force").returncode == 0
