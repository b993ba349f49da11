"""Maps end to end through the command: files, kills, workers, refusals."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rio_cogeo import cog_validate
from tests.zonal.conftest import AERIAL, save_model, work_in, write_raster

from flairhub.catalog.taxonomies import COSIA
from flairhub.cli.main import main
from flairhub.models.build import build_network
from flairhub.records.map_receipt import MapReceipt
from flairhub.zonal.ledger import Ledger

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    array = np.random.default_rng(0).integers(1, 247, (3, 300, 260)).astype(np.uint8)
    smooth = (array.astype(float) + np.roll(array, 1, 1) + np.roll(array, 1, 2)) / 3
    return write_raster(tmp_path_factory.mktemp("raster") / "a.tif", smooth.astype(np.uint8))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work_in(tmp_path, monkeypatch)


def command(weights: Path, raster: Path, output: Path, *more: str) -> list[str]:
    given = ["zonal", str(weights), "--input", f"{AERIAL}={raster}", "--output", str(output), "--threads", "1"]
    return [*given, "--tile", "64", "--margin", "16", *more]


def digests(folder: Path) -> dict[str, str]:
    """Checksums of the files of a map."""
    files = [path for path in folder.iterdir() if path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_map_with_all_its_files(weights: Path, raster: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    import geopandas
    import pandas
    from shapely import box

    frame = geopandas.GeoDataFrame({"n": [1, 2]}, geometry=[box(7e5, 6.6e6 - 20, 7e5 + 20, 6.6e6)] * 2, crs=2154)
    frame.to_file(tmp_path / "zones.gpkg")
    options = ["--probabilities", "--confidence", "entropy", "--polygons", "parquet", "--min-area", "1", "--tile-grid"]
    assert main(command(weights, raster, tmp_path / "m", *options, "--zones", str(tmp_path / "zones.gpkg"))) == 0
    written = capsys.readouterr().out.split()
    names = {Path(line).name for line in written}
    assert names == {
        f"{COSIA}.tif", f"{COSIA}_probabilities.tif", f"{COSIA}_confidence.tif", f"{COSIA}.qml", f"{COSIA}.png",
        f"{COSIA}_polygons.parquet", f"{COSIA}_zones.csv", "tiles.gpkg", "map.json",
    }  # fmt: skip
    assert names == set(digests(tmp_path / "m"))
    for name in names:
        if name.endswith(".tif"):
            assert cog_validate(tmp_path / "m" / name, strict=True)[0]
    with rasterio.open(tmp_path / "m" / f"{COSIA}.tif") as found:
        classes = found.read(1)
        assert found.shape == (300, 260)
        assert found.crs.to_epsg() == 2154
    polygons = geopandas.read_parquet(tmp_path / "m" / f"{COSIA}_polygons.parquet")
    assert polygons.area.sum() == pytest.approx(300 * 260 * 0.04, rel=0.05)
    assert polygons["area"].min() >= 0.99
    zones = pandas.read_csv(tmp_path / "m" / f"{COSIA}_zones.csv")
    counts = np.bincount(classes[:100, :100].ravel(), minlength=19) * 0.04
    for line in zones[zones.zone == 0].itertuples():
        assert line.area == pytest.approx(counts[line.value])
    receipt = MapReceipt.read(tmp_path / "m" / "map.json")
    assert receipt.weights.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "m").iterdir() if path.is_file()}
    main(command(weights, raster, tmp_path / "m", *options, "--zones", str(tmp_path / "zones.gpkg")))
    assert before == {path: path.stat().st_mtime_ns for path in before}  # there already: nothing to do


def test_nodata_that_is_no_number_is_said_as_text(weights: Path, raster: Path, tmp_path: Path):
    assert main(command(weights, raster, tmp_path / "m", "--nodata", f"{AERIAL}=nan")) == 0
    (layer,) = MapReceipt.read(tmp_path / "m" / "map.json").inputs[AERIAL]
    assert layer.nodata == "nan"


def test_the_tool_and_the_loop_of_evaluation_agree(weights: Path, raster: Path, tmp_path: Path):
    """One tile of the map is what the loop says of the same pixels."""
    from flairhub.data.batch import Batch
    from flairhub.data.preprocess import Preprocessor
    from flairhub.inference.classes import classes_of
    from flairhub.inference.predict import logits_of
    from flairhub.weights.checkpoints import load_weights, read_contract
    from flairhub.weights.recipe import contract_statistics, input_recipe

    main(command(weights, raster, tmp_path / "m", "--margin", "0"))
    contract = read_contract(weights)
    network = build_network(contract.network_spec(), load_weights=False).eval()
    load_weights(network, weights)
    with rasterio.open(raster) as source, rasterio.open(tmp_path / "m" / f"{COSIA}.tif") as made:
        patch = np.zeros((1, 4, 64, 64), np.uint8)
        patch[0, :3] = source.read()[:, 64:128, 64:128]
        batch = Batch(patch_ids=("a",), inputs={AERIAL: torch.from_numpy(patch)})
        preprocessor = Preprocessor(input_recipe(contract), contract_statistics(contract))
        with torch.inference_mode():
            found = classes_of(logits_of(network, preprocessor, batch, (64, 64))[COSIA])
        assert (made.read(1)[64:128, 64:128] == found[0].numpy()).mean() > 0.999


def shell(arguments: list[str], largest: int | None = None) -> subprocess.Popen[bytes]:
    """The command with small blocks, in a process that may write no file larger than `largest` bytes."""
    limit = "" if largest is None else f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({largest}, {largest})); "
    code = limit + (
        "import sys; from flairhub.zonal import job; job.BLOCK_PX = 64; from flairhub.cli.main import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    error = process.communicate(timeout=300)[1].decode()
    assert process.returncode == 0, error


def lose_a_worker(process: subprocess.Popen[bytes], output: Path, kill: Callable[[], bool]) -> None:
    """Let the command finish, but kill a worker once, when it has made a few blocks; `kill` says whether it did."""
    killed = False
    while process.poll() is None:
        if not killed and len(Ledger(output, "").finished()) > 2:
            killed = kill()
        time.sleep(0.02)
    assert killed
    finish(process)


@pytest.mark.slow
def test_a_killed_map_goes_on_with_the_same_bytes(weights: Path, raster: Path, tmp_path: Path):
    begin = time.monotonic()
    finish(shell(command(weights, raster, tmp_path / "whole", "--blend", "cosine")))
    seconds = time.monotonic() - begin
    dice = random.Random(0)
    for _ in range(10):
        process = shell(command(weights, raster, tmp_path / "killed", "--blend", "cosine"))
        time.sleep(dice.uniform(0.3, 1.0) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    finish(shell(command(weights, raster, tmp_path / "killed", "--blend", "cosine")))
    assert digests(tmp_path / "killed") == digests(tmp_path / "whole")


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_the_same_command_goes_on(weights: Path, raster: Path, tmp_path: Path):
    """Wherever a file ends on it: also where GDAL says nothing, when it closes one."""
    options = ["--confidence", "entropy"]
    finish(shell(command(weights, raster, tmp_path / "whole", *options)))
    sizes = [path.stat().st_size for path in (tmp_path / "whole").glob("*.tif")]
    for largest in (1200, 3 * max(sizes) // 4, max(sizes) - 1):
        process = shell(command(weights, raster, tmp_path / "full", *options), largest)
        error = process.communicate(timeout=300)[1].decode()
        assert process.returncode == 1, (largest, error)
        assert error.count("the disk took only a part") == 1, (largest, error)
        assert "Traceback" not in error, (largest, error)
        assert not digests(tmp_path / "full")
    finish(shell(command(weights, raster, tmp_path / "full", *options)))
    assert digests(tmp_path / "full") == digests(tmp_path / "whole")


def test_a_mosaic_is_made_once_and_again_where_a_tile_changes(weights: Path, tmp_path: Path):
    """The virtual raster of its tiles is written by every run, but is no other one."""
    rng = np.random.default_rng(0)
    for number in range(2):
        array = rng.integers(1, 247, (3, 64, 64)).astype(np.uint8)
        write_raster(tmp_path / "tiles" / f"{number}.tif", array, origin=(7e5 + number * 12.8, 6.6e6))

    def make() -> tuple[dict[str, int], dict[str, str]]:
        assert main(command(weights, tmp_path / "tiles", tmp_path / "m", "--force")) == 0
        files = [path for path in (tmp_path / "m").iterdir() if path.is_file()]
        return {path.name: path.stat().st_mtime_ns for path in files}, digests(tmp_path / "m")

    times, first = make()
    assert make() == (times, first)
    write_raster(tmp_path / "tiles" / "1.tif", 255 - array, origin=(7e5 + 12.8, 6.6e6))
    assert make()[1][f"{COSIA}.tif"] != first[f"{COSIA}.tif"]


@pytest.mark.slow
def test_two_workers_one_killed_make_the_same_map(weights: Path, raster: Path, tmp_path: Path):
    import psutil

    finish(shell(command(weights, raster, tmp_path / "one")))
    process = shell(command(weights, raster, tmp_path / "two", "--workers", "2"))

    def kill() -> bool:
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(process.pid).children()
            workers = [each for each in children if "spawn_main" in " ".join(each.cmdline())]
            if len(workers) == 2:
                workers[0].kill()
                return True
        return False

    lose_a_worker(process, tmp_path / "two", kill)
    assert digests(tmp_path / "two") == digests(tmp_path / "one")


@pytest.mark.slow
def test_a_dask_cluster_of_which_a_worker_is_killed_makes_the_same_map(
    weights: Path, raster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two worker processes of a real scheduler, which is addressed as a user would."""
    import psutil
    from distributed import LocalCluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    finish(shell(command(weights, raster, tmp_path / "one")))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        process = shell(command(weights, raster, tmp_path / "two", "--scheduler", cluster.scheduler_address))

        def kill() -> bool:
            psutil.Process(next(iter(cluster.workers.values())).pid).kill()
            return True

        lose_a_worker(process, tmp_path / "two", kill)
    assert digests(tmp_path / "two") == digests(tmp_path / "one")


def test_a_scheduler_that_does_not_answer_is_one_line(
    weights: Path, raster: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(command(weights, raster, tmp_path / "m", "--scheduler", "nonsense://1")) == 1
    assert "Expected a Dask scheduler at nonsense://1" in capsys.readouterr().err


def test_another_map_is_not_written_over(weights: Path, raster: Path, tmp_path: Path):
    from flairhub.errors import ConfigurationError

    with Ledger(tmp_path / "m", "other").open():
        pass
    with pytest.raises(ConfigurationError, match="another one was begun there"), Ledger(tmp_path / "m", "own").open():
        pass
    assert main(command(weights, raster, tmp_path / "m")) == 1
    assert main(command(weights, raster, tmp_path / "m", "--restart")) == 0


def test_a_note_that_was_cut_short_does_not_count(tmp_path: Path):
    ledger = Ledger(tmp_path, "k")
    with ledger.open():
        ledger.note("00000-00000")
        with (ledger.folder / "finished").open("a") as handle:
            handle.write("00000-00")
        assert ledger.finished() == {"00000-00000"}
        ledger.note("00000-00002")
        assert {"00000-00000", "00000-00002"} <= ledger.finished()


def test_an_estimate_makes_nothing(weights: Path, raster: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(command(weights, raster, tmp_path / "m", "--estimate")) == 0
    text = capsys.readouterr().out
    assert "260 x 300 pixels of 0.2: 90 tiles of 64" in text
    assert "with 8 such devices" in text
    assert not list((tmp_path / "m").glob("*.tif"))
