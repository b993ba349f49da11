"""Nothing that a process inherits changes a number or ends it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from flairhub.surroundings import own_caches, own_libraries, remaining

SOURCE = Path(__file__).parents[1] / "src"
UTF8 = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "0"}
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def process(code: str, *, settled: bool = True, redirect: str = "", **environment: str):
    """A fresh Python, as the shell starts one."""
    first = "from flairhub.surroundings import lost_output, settle\nsettle(None)\n" if settled else ""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONIO", "LC_", "GDAL_"))}
    return subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {redirect}', sys.executable, first + code],
        env=inherited | {"PYTHONPATH": str(SOURCE)} | environment,
        capture_output=True,
        check=False,
    )


def test_variables_of_other_installations_go_and_those_of_the_machine_stay():
    found = dict.fromkeys(
        ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "CPL_DEBUG", "OGR_CT_FORCE_TRADITIONAL_GIS_ORDER", "OMP_NUM_THREADS",
         "MKL_NUM_THREADS", "ATEN_CPU_CAPABILITY", "TIMM_FUSED_ATTN", "PL_TRAINER_PRECISION", "MPLBACKEND"),
        "theirs",
    )  # fmt: skip
    kept = dict.fromkeys(("PATH", "HOME", "GDAL_HTTP_PROXY", "CUDA_VISIBLE_DEVICES", "PL_GLOBAL_SEED"), "mine")
    environment = found | kept
    own_libraries(environment)
    assert environment.keys() & found.keys() == set()
    assert kept.items() <= environment.items()
    assert remaining(environment) == {"CUDA_VISIBLE_DEVICES": "mine"}


CRS = "from rasterio.crs import CRS; print(CRS.from_epsg(25832).to_wkt()[:30])"
NAMES = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH")


def test_projections_come_from_our_own_wheel(tmp_path):
    theirs = dict.fromkeys(NAMES, str(tmp_path))
    plain = process(CRS, settled=False)
    assert plain.stdout.startswith(b'PROJCS["ETRS89 / UTM zone 32N"')
    assert process(CRS, settled=False, **theirs).stdout != plain.stdout
    assert process(CRS, **theirs).stdout == plain.stdout


def test_a_configuration_file_in_the_home_folder_is_not_read(tmp_path):
    (tmp_path / ".gdal").mkdir()
    (tmp_path / ".gdal" / "gdalrc").write_text("[configoptions]\nGTIFF_POINT_GEO_IGNORE=YES\n")
    code = (
        "import rasterio; from rasterio._env import get_gdal_config\n"
        "with rasterio.Env(): print(get_gdal_config('GTIFF_POINT_GEO_IGNORE'))"
    )
    assert process(code, settled=False, HOME=str(tmp_path)).stdout == b"YES\n"
    assert process(code, HOME=str(tmp_path)).stdout == b"None\n"


@pytest.mark.parametrize(
    ("environment", "moved"),
    [
        ({"HOME": "{home}"}, set()),
        ({"HOME": "{home}", "MPLCONFIGDIR": "{home}/drawing"}, set()),
        ({"HOME": "{home}", "MPLCONFIGDIR": "{file}"}, {"MPLCONFIGDIR"}),
        ({"HOME": "{home}", "XDG_CACHE_HOME": "{file}"}, {"XDG_CACHE_HOME", "MPLCONFIGDIR"}),
        ({"HOME": "{home}", "XDG_CONFIG_HOME": "{file}/x"}, {"MPLCONFIGDIR"}),
        ({"HOME": "{file}/home"}, {"XDG_CACHE_HOME", "MPLCONFIGDIR"}),
        ({"HOME": "{file}"}, {"HOME"}),
    ],
)
def test_caches_go_to_the_state_folder_where_their_own_cannot_be_written(tmp_path, environment, moved):
    (tmp_path / "home").mkdir()
    (tmp_path / "file").touch()
    before = {name: value.format(home=tmp_path / "home", file=tmp_path / "file") for name, value in environment.items()}
    after = dict(before)
    own_caches(tmp_path / "state" / "cache", after)
    assert {name for name in after if after[name] != before.get(name)} == moved
    assert all(Path(after[name]).is_relative_to(tmp_path / "state" / "cache") for name in moved)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "home"]


def test_an_account_without_a_home_gets_one_in_the_state_folder(tmp_path, monkeypatch):
    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    environment = {}
    own_caches(tmp_path, environment)
    assert environment == {"HOME": str(tmp_path)}


BULLET = "import sys; print('\\u2022 \\xe9'); print('\\u2022', file=sys.stderr)"


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        (UTF8, "\u2022 é\n".encode()),
        (ASCII, b"\\u2022 \\xe9\n"),
        (UTF8 | {"PYTHONIOENCODING": "latin-1"}, b"\\u2022 \xe9\n"),
        (UTF8 | {"PYTHONIOENCODING": "ascii:strict"}, b"\\u2022 \\xe9\n"),
    ],
)
def test_no_character_ends_a_process(environment, shown):
    done = process(BULLET, **environment)
    assert (done.returncode, done.stdout) == (0, shown)


TRAINING = """
from flairhub.surroundings import lost_output, settle
settle(None)
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from tqdm import tqdm
list(tqdm(range(9), desc="\\u2022 patches of a long name"))
Trainer(max_steps=3, logger=False, enable_checkpointing=False, accelerator="cpu").fit(BoringModel())
open("done", "w").write(repr(lost_output()))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (24, 3), (0, 0)])
def test_no_terminal_is_too_narrow_for_bars(tmp_path, rows, columns):
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING],
        **dict.fromkeys(("stdin", "stdout", "stderr"), follower),
        env=os.environ | ASCII | {"PYTHONPATH": str(SOURCE), "TERM": "xterm"},
        cwd=tmp_path,
    )
    os.close(follower)
    with contextlib.suppress(OSError):  # Linux says so when the other end is closed
        while os.read(leader, 1 << 16):
            pass
    os.close(leader)
    assert process.wait() == 0
    assert (tmp_path / "done").read_text() == "None"


PRINTING = """
import os, sys
for _ in range(2000):
    print("a line that nobody reads")
print("nor this", file=sys.stderr)
open("first", "w").write("the first file that is opened")
os.system("echo a library complains >&2")
assert open("first").read() == "the first file that is opened"
open("done", "w").write(repr(lost_output()))
"""


@pytest.mark.parametrize(
    ("redirect", "lost"),
    [
        ("| true", "None"),
        ("2>&1 | true", "None"),
        (">&-", "None"),
        ("2>&-", "None"),
        ("<&- >&- 2>&-", "None"),
        (">/dev/full 2>/dev/full", "OSError(28, 'No space left on device')"),
    ],
)
def test_output_that_nobody_reads_ends_nothing(redirect, lost, tmp_path):
    done = process(f"import os; os.chdir({str(tmp_path)!r}){PRINTING}", redirect=f"{redirect}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "done").read_text() == lost


def test_a_warning_of_a_library_ends_nothing():
    done = process("import warnings; warnings.warn('a habit of theirs')", PYTHONWARNINGS="error")
    assert (done.returncode, done.stderr.count(b"a habit of theirs")) == (0, 1)


def test_a_setting_of_the_progress_bar_that_means_nothing_ends_nothing():
    assert process("import tqdm; list(tqdm.tqdm([1]))", TQDM_NCOLS="wide").returncode == 0


def test_streams_that_somebody_put_in_place_stay(capsys):
    from flairhub.surroundings import lasting_output

    before = sys.stdout
    lasting_output()
    assert sys.stdout is before


def test_drivers_that_ask_servers_are_not_registered_and_nobody_warns():
    code = (
        "import os, logging; logging.basicConfig(level=logging.WARNING)\n"
        "from flairhub.surroundings import own_libraries; own_libraries(os.environ)\n"
        "import pyogrio, rasterio\n"
        "from rasterio.env import Env\n"
        "pyogrio.list_drivers()\n"
        "with Env() as env: print(*env.drivers())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    drivers = set(done.stdout.split())
    assert {"GTiff", "COG", "VRT", "GPKG"} <= drivers
    assert not {"WMS", "WCS", "WMTS", "HTTP", "STACIT", "STACTA", "EEDA", "PLMOSAIC"} & drivers
    assert done.stderr == ""
