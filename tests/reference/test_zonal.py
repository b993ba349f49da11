"""The reference's zonal configuration: every key of its example, its names of outputs, and its failures refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from tests.zonal.conftest import AERIAL, save_model, work_in, write_raster

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.cli.reference_zonal import main
from flairhub.reference.zonal import config_contract, read_zonal_config
from flairhub.weights.recipe import input_recipe

ROOT = Path(__file__).parents[2]


def example(folder: Path, more_inputs: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """All keys of the example, with these inputs active beside the aerial one."""
    series = {"input_img_path": "s.tif", "channels": [1, 2], "dates_txt": "", "temporal_average": False}
    custom = {"type": "custom", "means": [105.66, 111.35, 102.18], "stds": [52.23, 45.62, 44.30]}
    names = ("AERIAL-RLT_PAN", "DEM_ELEV", "SPOT_RGBI", "SENTINEL2_TS", "SENTINEL1-ASC_TS", "SENTINEL1-DESC_TS")
    spot = {"type": "custom", "means": [1137.03, 433.26, 467.77], "stds": [543.11, 312.76, 284.61]}
    return {
        "output_path": str(folder / "out"),
        "output_name": "zone",
        "write_dataframe": True,
        "output_type": "argmax",
        "cog_conversion": True,
        "model_weights": str(folder / "model.safetensors"),
        "use_gpu": False,
        "batch_size": 4,
        "num_worker": 1,
        "img_pixels_detection": 64,
        "margin": 16,
        "output_px_meters": 0.2,
        "monotemp_arch": "swin_base_patch4_window12_384-upernet",
        "multitemp_model_ref_date": "05-15",
        "modalities": {
            "inputs": {AERIAL: True, **{name: name in more_inputs for name in names}},
            AERIAL: {"input_img_path": str(folder / "a.tif"), "channels": [1, 2, 3], "normalization": custom},
            "AERIAL-RLT_PAN": {
                "input_img_path": "p.tif", "channels": [1],
                "normalization": {"type": "custom", "means": [1], "stds": [1]},
            },
            "DEM_ELEV": {
                "input_img_path": "d.tif", "channels": [4, 1, 2], "normalization": spot, "calc_elevation": True,
                "calc_elevation_stack_dsm": True,
            },
            "SPOT_RGBI": {"input_img_path": "s.tif", "channels": [4, 1, 2], "normalization": spot},
            "SENTINEL2_TS": {
                "input_img_path": "s2.tif", "channels": list(range(1, 11)), "dates_txt": "d.txt",
                "filter_clouds": True, "filter_clouds_img_path": "m.tif", "temporal_average": False,
            },
            "SENTINEL1-ASC_TS": series,
            "SENTINEL1-DESC_TS": series,
        },
        "tasks": [
            {"name": COSIA, "active": True, "class_names": dict(enumerate(taxonomy(COSIA).classes))},
            {"name": "ALL_LABEL-LPIS", "active": False, "class_names": dict.fromkeys(range(23), "x")},
        ],
    } | changes  # fmt: skip


def write(folder: Path, values: dict[str, Any]) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def run(folder: Path, values: dict[str, Any]) -> int:
    return main(["--config", str(write(folder, values))])


@pytest.fixture
def zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A raster and weights with a contract."""
    work_in(tmp_path, monkeypatch)
    array = np.random.default_rng(0).integers(1, 250, (3, 90, 70)).astype(np.uint8)
    write_raster(tmp_path / "a.tif", array)
    return save_model(tmp_path).parent


def test_the_example_makes_a_map_under_its_names(zone: Path, capsys: pytest.CaptureFixture[str]):
    assert run(zone, example(zone)) == 0
    told = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert all(path.is_file() for path in told)
    assert zone / "out" / "zone_slicing_job.gpkg" in told
    stem = f"zone_{COSIA}_argmax"
    names = {path.name for path in (zone / "out").iterdir() if path.is_file()}
    assert {f"{stem}.tif", f"{stem}_COG.tif", "zone_slicing_job.gpkg"} <= names
    with rasterio.open(zone / "out" / f"{stem}.tif") as raster:
        assert raster.shape == (90, 70)
        assert raster.read(1).max() < 19


def test_a_map_that_is_there_is_not_made_again_by_another_process(zone: Path):
    path = write(zone, example(zone))
    assert main(["--config", str(path)]) == 0
    # but for the COG, which is a copy, made anew
    made = [file for file in (zone / "out").iterdir() if file.is_file() and "_COG" not in file.name]
    before = {file: file.stat().st_mtime_ns for file in made}
    code = "import sys; from flairhub.cli.reference_zonal import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "--config", str(path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "7"}
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_margin_zero_and_probabilities(zone: Path):
    values = example(zone, margin=0, output_type="class_prob", cog_conversion=False, output_px_meters=0.5)
    assert run(zone, values) == 0
    with rasterio.open(zone / "out" / f"zone_{COSIA}_class-prob.tif") as raster:
        assert raster.shape == (36, 28)
        assert raster.count == 19
        assert (raster.read().sum(axis=0) > 200).all()  # no empty row or column


def test_a_raster_narrower_than_a_core_is_mapped(zone: Path):
    array = np.random.default_rng(0).integers(1, 250, (3, 90, 9)).astype(np.uint8)
    write_raster(zone / "a.tif", array)
    assert run(zone, example(zone)) == 0
    with rasterio.open(zone / "out" / f"zone_{COSIA}_argmax.tif") as raster:
        assert raster.shape == (90, 9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": 32}, "margin below half of img_pixels_detection (64), but got 32"),
        ({"margin": -1}, "`margin`"),
        ({"modalities": {"inputs": {"AERIAL_RGB": True}}}, "'AERIAL_RGB'; did you mean 'AERIAL_RGBI'"),
        ({"model_weights": "none.ckpt"}, "none.ckpt does not exist"),
        ({"output_type": "maximum"}, "`output_type`"),
        ({"tasks": [{"name": COSIA, "active": False}]}, "expected an active task"),
        ({"more_inputs": ("SPOT_RGBI",)}, "inputs of row X, AERIAL_RGBI, active and no other"),
    ],
)
def test_what_cannot_work_ends_non_zero(
    zone: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], message: str
):
    assert run(zone, example(zone, **change)) == 1
    assert message in capsys.readouterr().err


def test_weights_without_contract_take_that_of_the_configuration(zone: Path):
    values = example(zone, ("DEM_ELEV", "SENTINEL2_TS"), monotemp_arch="resnet10t-unet", more=1)
    values["modalities"]["DEM_ELEV"]["normalization"] = {"type": "custom", "means": [300, 5], "stds": [500, 8]}
    values["modalities"]["SENTINEL2_TS"] |= {"temporal_average": True, "average_period": "semi-monthly"}
    read = read_zonal_config(write(zone, values))
    assert read.unknown == ("more",)
    contract = config_contract(read, zone / "x.ckpt")
    assert contract.modalities["DEM_ELEV"].bands == ("DSM", "HEIGHT")
    assert contract.modalities[AERIAL].bands == ("R", "G", "B")
    recipe = input_recipe(contract)
    assert recipe.preprocessing.temporal_average_sentinel2 == "semi-monthly"
    assert recipe.preprocessing.filter_sentinel2.max_fraction_covered == 0.05


def test_channels_of_another_input_are_refused(zone: Path):
    values = example(zone, ("DEM_ELEV",))
    values["modalities"]["DEM_ELEV"]["calc_elevation"] = False
    read = read_zonal_config(write(zone, values))
    with pytest.raises(
        ValueError, match=r"modalities.DEM_ELEV.channels: expected .* 1 to 2 .DSM, DTM., but got .4, 1, 2."
    ):
        config_contract(read, zone / "x.ckpt")


def test_channels_name_the_bands_of_the_raster(zone: Path, capsys: pytest.CaptureFixture[str]):
    values = example(zone)
    assert run(zone, values) == 0
    with rasterio.open(zone / "out" / f"zone_{COSIA}_argmax.tif") as raster:
        plain = raster.read(1)
    with rasterio.open(zone / "a.tif") as raster:
        write_raster(zone / "a.tif", raster.read()[::-1])
    values["modalities"][AERIAL]["channels"] = [3, 2, 1]
    values["output_path"] = str(zone / "other")
    assert run(zone, values) == 0
    assert "band 1 is B, band 2 is G, band 3 is R" in capsys.readouterr().err
    with rasterio.open(zone / "other" / f"zone_{COSIA}_argmax.tif") as raster:
        assert (raster.read(1) == plain).all()
