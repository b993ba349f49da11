"""What CI promises: every test runs there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SKIPPING = """
import pytest

@pytest.mark.skip(reason="mark")
def test_mark(): pass

@pytest.mark.skipif(True, reason="condition")
def test_condition(): pass

def test_call(): pytest.skip("call")

@pytest.fixture
def absent(): pytest.skip("fixture")

def test_fixture(absent): pass

@pytest.mark.parametrize("nothing", [])
def test_nothing_to_run(nothing): pass

@pytest.mark.xfail(reason="known")
def test_known(): assert False
"""
MODULE = "import pytest\npytest.importorskip('nowhere', reason='module')\n"


def pytest_in(folder: Path, ci: str) -> str:
    (folder / "test_skipping.py").write_text(SKIPPING)
    (folder / "test_module.py").write_text(MODULE)
    options = ("-p", "tests.no_skips", "-p", "no:cacheprovider", "--continue-on-collection-errors", "--rootdir=.")
    environment = {"CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_a_skipped_test_fails_in_ci_and_an_expected_failure_stays_expected(tmp_path):
    said = pytest_in(tmp_path, "true")
    assert "skipped" not in said.splitlines()[-1]
    assert "1 xfailed" in said
    for reason in ("mark", "condition", "call", "fixture", "got empty parameter set", "module"):
        assert re.search(rf"nothing may be skipped in CI, but: (Skipped: )?{reason}", said), said


def test_elsewhere_it_is_skipped(tmp_path):
    assert "6 skipped, 1 xfailed in" in pytest_in(tmp_path, "")


def test_ci_runs_what_the_plain_run_leaves_out():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    markers = {line.partition(":")[0] for line in settings["markers"]}
    assert f"-m '{' and '.join(f'not {name}' for name in ('slow', 'graph', 'browser'))}'" in settings["addopts"]
    assert markers == {"slow", "graph", "browser"}
    makefile = (ROOT / "Makefile").read_text()
    assert "--durations 20 -m graph\n" in makefile
    assert "-m '(slow or browser) and not graph'\n" in makefile  # between them everything that is left out
    commands = (ROOT / ".ci/run").read_text().splitlines()
    assert [line for line in commands if line.startswith("make ")] == ["make lint", "make test", "make test-graph"]
