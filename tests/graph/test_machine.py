"""One small row on somebody else's machine: what a process inherits gives the same results, or is refused."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path

import pytest
from tests.graph.conftest import ROOT, Clone, new_clone

pytestmark = pytest.mark.graph

ROW = ("--rows", "LC-G", "--set", "train.epochs=1", "--set", "evaluate.write_predictions=true")
PROJECTIONS = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH")
_PYOGRIO = Path(importlib.util.find_spec("pyogrio").origin).parent  # found, not imported: it would settle GDAL's data
ENVIRONMENTS = {
    "empty PROJ and GDAL folders": dict.fromkeys(PROJECTIONS, "{folder}/empty"),
    # another version than rasterio's, as QGIS or OTB have one
    "foreign PROJ and GDAL folders": {
        "PROJ_LIB": f"{_PYOGRIO}/proj_data",
        "PROJ_DATA": f"{_PYOGRIO}/proj_data",
        "GDAL_DATA": f"{_PYOGRIO}/gdal_data",
        "GDAL_DRIVER_PATH": "{folder}/drivers",
    },
    "other kernels and threads": {
        "OMP_NUM_THREADS": "2",
        "OMP_DYNAMIC": "true",
        "ATEN_CPU_CAPABILITY": "default",
        "TIMM_FUSED_ATTN": "0",
        "PL_TRAINER_PRECISION": "bf16",
        "MPLBACKEND": "module://nowhere",
    },
    "ASCII locale": {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
    "no HOME": {"HOME": None},
    "no TMPDIR": {"TMPDIR": None},
    "another time zone": {"TZ": "Pacific/Kiritimati"},
    "archives unpacked": {"FLAIRHUB_LAYOUT": "extracted"},
    "PYTHONPATH of another copy": {"PYTHONPATH": "{folder}/copy"},
}
FOREIGN_LIBRARY = b"no library at all"

TOGETHER = (
    ("empty PROJ and GDAL folders", "ASCII locale", "no HOME", "umask 077"),
    ("foreign PROJ and GDAL folders", "Latin-1", "no TMPDIR", "another time zone", "other kernels and threads"),
    ("PYTHONPATH of another copy", "archives unpacked"),
)
"""One run serves several environments: where its results are those of the plain run, each of them changes none."""


def row_of_the_example(folder: Path) -> Clone:
    clone = new_clone(folder, also=("data/examples",))
    clone.flairhub("use", "local", "--data", "data/examples/treesat", *ROW)
    clone.commit("start")
    return clone


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> bytes:
    """`dvc.lock` of a run in this process's own environment."""
    clone = row_of_the_example(tmp_path_factory.mktemp("machine") / "plain")
    clone.repro()
    return (clone.folder / "dvc.lock").read_bytes()


@pytest.mark.parametrize("names", TOGETHER, ids=", ".join)
def test_what_a_run_inherits_changes_no_result(names, plain, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers" / "gdal_THEIRS.so").write_bytes(FOREIGN_LIBRARY)
    (tmp_path / "copy" / "flairhub").mkdir(parents=True)
    (tmp_path / "copy" / "flairhub" / "__init__.py").write_text("raise SystemExit('the other copy')\n")
    inherited = {
        variable: value and value.format(folder=tmp_path)
        for name in names
        for variable, value in ENVIRONMENTS.get(name, {}).items()
    }
    clone = row_of_the_example(tmp_path / "clone")
    mask = "umask 077; " if "umask 077" in names else ""
    said = clone.run("bash", "-c", f"{mask}exec dvc repro", FLAIRHUB_PROGRESS="1", **inherited)
    assert (clone.folder / "dvc.lock").read_bytes() == plain
    assert (clone.folder / ".flairhub" / "extracted").is_dir() == ("archives unpacked" in names)
    assert "Traceback" not in said.stderr
    assert "atplotlib" not in said.stderr


def test_flairhub_repro_needs_neither_an_activated_environment_nor_a_home_nor_a_reader(plain, tmp_path):
    clone = row_of_the_example(tmp_path / "clone")
    command = f"{shlex.quote(sys.executable)} -m flairhub.cli.main repro 2>&1 | head -n 1; exit ${{PIPESTATUS[0]}}"
    clone.run("bash", "-c", command, PATH="/usr/bin:/bin", HOME="/dev/null", PYTHONPATH="src")
    assert (clone.folder / "dvc.lock").read_bytes() == plain
    other = clone.flairhub("repro", check=False, PYTHONPATH=str(ROOT / "src"))
    assert other.returncode == 1
    assert str(ROOT / "src") in other.stderr
    assert "Traceback" not in other.stderr
