"""The stage scripts by themselves: each explains itself, and none runs another copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flairhub.records.code import Fingerprint

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "stages").glob("[0-9]*.py"))
SLOW = {"06_resolve.py", "07_train.py", "08_evaluate.py"}
"""They import torch."""


def script(path: Path, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH" and not k.startswith(("DVC_", "FLAIRHUB_"))}
    return subprocess.run(
        [sys.executable, str(path), *arguments],
        cwd=cwd,
        env=inherited | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in SCRIPTS])
def test_every_stage_explains_itself_from_any_folder(name, tmp_path):
    done = script(ROOT / "stages" / name, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    stage = name.removesuffix(".py").split("_", 1)[1]
    assert f"{stage}" in done.stdout.split("\n\n")[1]
    assert list(tmp_path.iterdir()) == []


def test_every_stage_of_the_graph_has_one_script():
    from flairhub.config.yaml_file import read_yaml

    commands = [entry["cmd"].split()[1] for entry in read_yaml(ROOT / "dvc.yaml")["stages"].values()]
    assert sorted(commands) == [f"stages/{name}" for name in SCRIPTS]


def test_a_stage_refuses_a_package_from_another_place(tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "stages", copy / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", copy)
    done = script(copy / "stages/00_code.py", cwd=copy, PYTHONPATH=str(ROOT / "src"))
    assert done.returncode == 1
    assert str(copy / "src") in done.stderr
    assert str(ROOT / "src/flairhub/__init__.py") in done.stderr
    assert "Traceback" not in done.stderr
    assert not (copy / "data").exists()


def test_a_stage_prefers_its_own_package_to_an_installed_one(tmp_path):
    """As in an experiment, which runs in a copy of the repository."""
    copy = tmp_path / "copy"
    for name in ("stages", "src"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", copy)
    (copy / "src/flairhub/errors.py").write_text("raise SystemExit('the copy')\n")
    done = script(copy / "stages/00_code.py", cwd=copy, PYTHONPATH=str(ROOT / "src"))
    assert done.returncode == 1
    assert done.stderr.strip() == "the copy"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["07_train.py", "08_evaluate.py"])
@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["NOPE"], 1, "params.yaml has no row 'NOPE'; did you mean"),
        (["--id", "LC-A;x"], 1, "expected letters, digits"),
        (["LC-A"], 1, "run `dvc repro resolve`"),
        ([], 2, "expected a row identifier"),
    ],
)
def test_a_row_that_cannot_run_is_one_line(name, words, status, message, tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    done = script(ROOT / "stages" / name, *words, cwd=tmp_path)
    assert done.returncode == status
    assert message in done.stderr
    assert done.stderr.count("\n") == status  # usage before it where it is wrong


def test_nothing_of_params_yaml_reaches_the_shell_unquoted():
    """DVC quotes a mapping, as options; a plain value it writes as it is."""
    from flairhub.config.yaml_file import read_yaml

    commands = [entry["cmd"] for entry in read_yaml(ROOT / "dvc.yaml")["stages"].values()]
    assert {found for cmd in commands for found in re.findall(r"\$\{.*?\}", cmd)} == {"${item}"}


def test_a_python_without_the_packages_says_which_one_is_needed(tmp_path):
    shutil.copytree(ROOT / "stages", tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    own = tmp_path / ".venv" / "bin" / "python"
    command = [sys.executable, "-S", "stages/00_code.py"]  # -S: without site-packages
    for expected in ("`make env`", str(own)):
        done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert expected in done.stderr
        assert f"{sys.executable} (" in done.stderr
        own.parent.mkdir(parents=True, exist_ok=True)
        own.touch()


def test_a_stage_outside_the_repository_is_wrong_usage(tmp_path):
    done = script(ROOT / "stages/00_code.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "params.yaml" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_another_lock_of_the_environment_is_other_code_only_where_the_policy_says_so(tmp_path):
    for name in ("stages", "src"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))

    def keys(policy: str, lock: str) -> dict[str, str]:
        (tmp_path / "params.yaml").write_text(f"environment: {policy}\n")
        (tmp_path / "requirements.lock").write_text(lock)
        done = script(tmp_path / "stages/00_code.py", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return {path.stem: Fingerprint.read(path).sha256 for path in (tmp_path / "data/code").iterdir()}

    recorded = keys("record", "torch==1")
    assert keys("record", "torch==2") == recorded
    first, second = keys("rerun", "torch==1"), keys("rerun", "torch==2")
    assert {name for name in first if first[name] != second[name]} == {"train", "evaluate"}
    assert {name for name in first if first[name] != recorded[name]} == {"train", "evaluate"}
