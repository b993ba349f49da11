"""The map of a model whose output is a known function of the pixel, and of a network that sees its neighbours."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import Affine
from tests.zonal.conftest import (
    AERIAL,
    Oracle,
    aerial_contract,
    class_map,
    of_array,
    oracle_classes,
    oracle_model,
    prepared,
    source_of,
    whole_map,
    with_input,
    write_raster,
)
from torch import nn

from flairhub.catalog.taxonomies import COSIA
from flairhub.inference.views import TURNS
from flairhub.models.network import NetworkOutput
from flairhub.zonal import job as job_module
from flairhub.zonal.blend import BLENDS, FULL, NODATA, Layers
from flairhub.zonal.rasters import InputReader, Piece
from flairhub.zonal.windows import Window


def rgb(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 247, (3, height, width)).astype(np.uint8)


@st.composite
def cases(draw: st.DrawFn) -> dict:
    tile = draw(st.integers(8, 96))
    margin = draw(st.integers(0, (tile - 1) // 2))
    stride = tile - 2 * margin
    primes = [1, 2, 3, 5, 7, 31, 61, 127, 211]
    side = st.one_of(st.integers(1, 220), st.sampled_from(primes))
    limit = 12 * stride
    return {
        "shape": (min(draw(side), limit), min(draw(side), limit)),
        "tile": tile,
        "margin": margin,
        "pixel": draw(st.sampled_from([0.1, 0.2, 0.25, 0.5, 1.0, 1.6, 2.0])),
        "origin": (draw(st.integers(0, 10**6)) / 10, 6e6 + draw(st.integers(0, 10**6)) / 10),
        "batch_size": draw(st.integers(1, 5)),
        "blend": draw(st.sampled_from(BLENDS)),
        "block": draw(st.sampled_from([64, 4096])),
    }


@settings(max_examples=30, deadline=None)
@given(cases())
def test_every_pixel_is_that_of_the_whole_image(case: dict):
    check_every_pixel(case)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(cases())
def test_every_pixel_of_500_maps(case: dict):
    check_every_pixel(case)


def check_every_pixel(case: dict) -> None:
    array = rgb(*case["shape"])
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_module, "BLOCK_PX", case["block"])
        written = {name: case[name] for name in ("pixel", "origin")}
        options = {name: case[name] for name in ("tile", "margin", "batch_size", "blend")}
        contract = aerial_contract(gsd=case["pixel"])
        job = of_array(Path(folder), array, contract=contract, written=written, **options).job
        assert (job.grid.height, job.grid.width) == case["shape"]
        assert (class_map(job) == oracle_classes(array)).all()


class _Convolutions(nn.Module):
    """Receptive field of 9 pixels at each side."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 8, 7, padding=3), nn.ReLU(), nn.Conv2d(8, 8, 7, padding=3), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8, 19, 7, padding=3))

    def forward(self, inputs, dates, valid, size):  # noqa: ARG002 - as the networks are called
        return NetworkOutput({COSIA: self.layers(inputs[AERIAL] / 255)})

    @torch.inference_mode()
    def of_whole(self, array: np.ndarray) -> np.ndarray:
        """Classes of an image that is seen at once, 10 reflected pixels around it."""
        padded = np.pad(array.astype(np.float32), [(0, 0), (10, 10), (10, 10)], mode="reflect")
        logits = self({AERIAL: torch.from_numpy(padded[None])}, {}, {}, None).logits[COSIA]
        return logits.argmax(dim=1)[0, 10:-10, 10:-10].numpy()


@pytest.mark.parametrize("shape", [(200, 170), (97, 211), (20, 30)])
def test_tiled_is_whole_bit_for_bit(tmp_path: Path, shape: tuple[int, int]):
    array = rgb(*shape)
    network = _Convolutions().eval()
    found = class_map(of_array(tmp_path, array, tile=48, margin=10).job, network)
    assert (found == network.of_whole(array)).all()


def test_batches_are_filled_across_rows_of_tiles(tmp_path: Path):
    calls: list[int] = []
    class_map(of_array(tmp_path, rgb(96, 96), tile=32, margin=0, batch_size=4).job, Oracle(calls))
    assert calls == [4, 4, 1]


@pytest.mark.parametrize("blend", BLENDS)
def test_nodata_stays_nodata_and_empty_tiles_are_not_predicted(tmp_path: Path, blend: str):
    array = rgb(128, 128)
    array[:, :90] = 0
    calls: list[int] = []
    job = of_array(tmp_path, array, written={"nodata": 0}, tile=32, margin=4, blend=blend).job
    found = class_map(job, Oracle(calls))
    assert (found[:90] == NODATA).all()
    assert (found[90:] == oracle_classes(array)[90:]).all()
    assert sum(calls) < job.tiling.rows.count * job.tiling.columns.count * 0.6


def test_an_oblique_black_corner_without_tag(tmp_path: Path):
    array = rgb(300, 300)
    rows, columns = np.mgrid[:300, :300]
    corner = rows + columns < 180  # 18 %
    array[:, corner] = 0
    made = of_array(tmp_path, array)
    assert "zero in every band, up to the raster's edge" in " ".join(made.notices)
    found = class_map(made.job)
    assert (found[~corner] == oracle_classes(array)[~corner]).all()
    assert (found[corner] == NODATA).mean() > 0.98
    kept = of_array(tmp_path, array, nodata={AERIAL: None})
    assert not kept.notices
    assert (class_map(kept.job) == oracle_classes(array)).all()


def test_probabilities_and_confidence_are_those_of_the_pixel(tmp_path: Path):
    array = rgb(50, 60)
    wanted = Layers(probabilities=True, confidence="probability")
    job = of_array(tmp_path, array, layers=wanted, blend="cosine").job
    found = whole_map(job, oracle_model(job))
    logits = -((np.arange(19)[:, None, None] - oracle_classes(array).astype(float)) ** 2)
    shares = np.exp(logits) / np.exp(logits).sum(axis=0)
    assert np.abs(found["probabilities"] / FULL - shares).max() < 0.51 / FULL
    assert np.abs(found["confidence"][0] / FULL - shares.max(axis=0)).max() < 0.51 / FULL


def test_views_change_nothing_of_what_depends_on_the_pixel_alone(tmp_path: Path):
    array = rgb(50, 60)
    assert (class_map(of_array(tmp_path, array, views=TURNS).job) == oracle_classes(array)).all()


def test_a_box_keeps_the_pixels_and_sees_its_surroundings(tmp_path: Path):
    array, network = rgb(200, 170), _Convolutions().eval()
    box = (7e5 + 10, 6.6e6 - 30, 7e5 + 20, 6.6e6 - 12)
    job = of_array(tmp_path, array, bounds=box, tile=48, margin=10).job
    assert (job.grid.height, job.grid.width) == (90, 50)
    whole = class_map(of_array(tmp_path, array, tile=48, margin=10).job, network)
    assert (class_map(job, network) == whole[60:150, 50:100]).all()


def test_a_polygon_leaves_the_rest_without_data(tmp_path: Path):
    import geopandas
    from rasterio.features import geometry_mask
    from shapely import Polygon

    array = rgb(200, 170)
    shape = Polygon([(7e5 + 5, 6.6e6 - 5), (7e5 + 30, 6.6e6 - 10), (7e5 + 12, 6.6e6 - 33)])
    geopandas.GeoSeries([shape], crs=2154).to_crs(4326).to_file(tmp_path / "area.geojson")
    job = of_array(tmp_path, array, area=tmp_path / "area.geojson").job
    found = class_map(job)
    outside = geometry_mask([shape], found.shape, job.grid.transform)
    top = round((6.6e6 - job.grid.bounds[3]) / 0.2)
    left = round((job.grid.bounds[0] - 7e5) / 0.2)
    part = oracle_classes(array)[top : top + found.shape[0], left : left + found.shape[1]]
    assert ((found == NODATA) == outside).mean() > 0.999
    inside = found != NODATA
    assert (found[inside] == part[inside]).all()


def test_smaller_than_a_patch_with_surface_models(tmp_path: Path):
    """RGBI and DSM, DTM with nodata -9999, all smaller than one tile."""
    base = aerial_contract(("NIR", "R", "G"), side=64)
    heights_of = base.preprocessing | {"calc_elevation": True, "calc_elevation_stack_dsm": True}
    contract = with_input(base, "DEM_ELEV", bands=("DSM", "HEIGHT"), dtype="float32", unit="metre")
    contract = replace(contract, preprocessing=heights_of)
    array = np.random.default_rng(0).integers(1, 247, (4, 37, 23)).astype(np.uint8)
    heights = np.random.default_rng(1).normal(300, 5, (2, 37, 23)).astype(np.float32)
    heights[:, :10, :10] = -9999
    aerial = write_raster(tmp_path / "a.tif", array)
    dem = write_raster(tmp_path / "dem.tif", heights, nodata=-9999)
    seen: list[torch.Tensor] = []

    class _Sees(Oracle):
        def forward(self, inputs, dates, valid, size):
            seen.append(inputs["DEM_ELEV"])
            return super().forward({AERIAL: inputs[AERIAL][:, 1:]}, dates, valid, size)

    job = prepared(tmp_path, contract, source_of(aerial), source_of(dem, "DEM_ELEV")).job
    assert (class_map(job, _Sees()) == oracle_classes(array)).all()
    for values in seen:
        assert torch.isfinite(values).all()
        assert values[:, 0].min() > 200  # never -9999
    first = seen[0][0, :, 16:, 16:][:, 10:37, :23]
    expected = np.stack([heights[0], heights[0] - heights[1]])[:, 10:]
    assert np.allclose(first.numpy(), expected)


def test_world_mercator_at_ten_centimetres(tmp_path: Path):
    """EPSG:3395, pixels not quite square: averaged over the pixels of the model."""
    array = rgb(400, 300)
    where = Affine(0.0999, 0, -5e6, 0, -0.1, -2e6)
    made = of_array(tmp_path, array, written={"crs": "EPSG:3395", "transform": where})
    assert "resampled to 0.2" in " ".join(made.notices)
    assert (made.job.grid.height, made.job.grid.width) == (200, 150)
    found = class_map(made.job)
    mean = array[0].reshape(200, 2, 150, 2).mean(axis=(1, 3)) / 13
    assert np.abs(found - mean)[:, :100].max() < 3
    assert (found != NODATA).all()


def test_utm_at_ten_metres(tmp_path: Path):
    """EPSG:32633: mapped on its own pixels where asked for, refused as an aerial image otherwise."""
    array = rgb(120, 90)
    written = {"crs": "EPSG:32633", "pixel": 10.0}
    with pytest.raises(ValueError, match=r"about 0\.2 m, but the raster has 10 m, 50 times as large.*--force"):
        of_array(tmp_path, array, written=written)
    for options in ({"own_grid": True}, {"contract": aerial_contract(gsd=10.24)}):
        job = of_array(tmp_path, array, written=written, **options).job
        assert (class_map(job) == oracle_classes(array)).all()


def test_gaps_are_the_same_whatever_the_tiles(tmp_path: Path):
    """Without means in the contract a gap holds the raster's mean, not that of a tile."""
    array = rgb(60, 64)
    array[:, :30] = array[:, :30] // 4 + 1  # the means of tiles differ
    array[:, 20:40, 25:33] = 0
    gap = (array == 0).all(axis=0)
    network = _Convolutions().eval()
    filled = array.astype(np.float32)
    filled[:, gap] = array[:, ~gap].mean(axis=1, keepdims=True)
    expected = network.of_whole(filled)
    expected[gap] = NODATA
    for tile in (30, 40, 84):
        job = of_array(tmp_path, array, written={"nodata": 0}, tile=tile, margin=10, force=True).job
        assert (class_map(job, network) == expected).all()


@pytest.mark.parametrize("blend", ["crop", "linear"])
def test_every_pixel_of_a_block_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blend: str):
    job = of_array(tmp_path, rgb(200, 170), tile=32, margin=8, blend=blend).job
    read = np.zeros((13 * 16 + 16, 11 * 16 + 16), np.uint8)  # 13 x 11 cores of 16 pixels with a margin around them
    whole = InputReader.read

    def counted(reader: InputReader, window: Window) -> Piece:
        read[window.slices] += 1
        return whole(reader, window)

    monkeypatch.setattr(InputReader, "read", counted)
    class_map(job)
    assert (read == 1).all()
