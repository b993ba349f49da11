"""Time series: the dates of a map are chosen once, whatever its tiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.zonal.conftest import Oracle, aerial_contract, class_map, prepared, source_of, with_input, write_raster

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.taxonomies import COSIA
from flairhub.errors import DataError
from flairhub.models.network import NetworkOutput
from flairhub.zonal.series import read_dates

S2, S1 = "SENTINEL2_TS", "SENTINEL1-ASC_TS"
DAYS = ("20200105", "20200220", "20200315", "20200401", "20200520", "20200701")


class _Dates(Oracle):
    """The class of a pixel is a function of the sums of its valid dates and of their offsets; notes what it sees."""

    def __init__(self, modality: str) -> None:
        super().__init__()
        self.modality = modality
        self.seen: set[tuple[float, ...]] = set()
        self.least, self.most = float("inf"), float("-inf")

    def forward(self, inputs, dates, valid, size):
        x, days, used = inputs[self.modality], dates[self.modality], valid[self.modality]
        self.seen |= {tuple(row[mask].tolist()) for row, mask in zip(days, used, strict=True)}
        told = x[used]
        self.least, self.most = min(self.least, float(told.min())), max(self.most, float(told.max()))
        value = (x[:, :, 0] * used[:, :, None, None]).sum(dim=1, keepdim=True)
        value = torch.nn.functional.interpolate(value, size, mode="nearest")
        classes = torch.arange(19.0)[None, :, None, None]
        return NetworkOutput({COSIA: -((classes - value.floor() % 19) ** 2)})


def case(tmp_path: Path, modality: str = S2):
    known = MODALITIES[modality]
    fields = {"bands": known.bands, "dtype": known.dtype, "unit": known.unit}
    contract = with_input(aerial_contract(side=64), modality, **fields, gsd_m=3.2, height=4, width=4)
    limits = {"enabled": modality == S2, "max_cloud": 1, "max_snow": 1, "max_fraction_covered": 0.05}
    preprocessing = contract.preprocessing | {"filter_sentinel2": limits, "max_dates": 3}
    contract = replace(contract, preprocessing=preprocessing)
    rng = np.random.default_rng(0)
    aerial = write_raster(tmp_path / "a.tif", rng.integers(1, 250, (3, 256, 320)).astype(np.uint8))
    values = rng.integers(0, 40, (len(DAYS) * len(known.bands), 16, 20)).astype(known.dtype)
    clouds = np.zeros((len(DAYS) * 2, 16, 20), np.uint16)
    clouds[3, :4] = 90  # a quarter of the second date
    clouds[2 * 4 + 1, 0, :10] = 90  # a few pixels of the fifth
    (tmp_path / "days.txt").write_text("\n".join(DAYS))
    mask = write_raster(tmp_path / "m.tif", clouds, pixel=3.2)
    sources = [source_of(aerial), source_of(tmp_path / "s.tif", modality)]
    options = {"dates": {modality: tmp_path / "days.txt"}, "mask": str(mask)}
    return contract, sources, options, values


def test_the_dates_do_not_depend_on_the_tiles(tmp_path: Path):
    contract, sources, options, values = case(tmp_path)
    write_raster(tmp_path / "s.tif", values, pixel=3.2)
    maps = []
    for tile, margin, batch in [(64, 16, 4), (128, 32, 3), (320, 0, 1), (64, 0, 2)]:
        job = prepared(tmp_path, contract, *sources, tile=tile, margin=margin, batch_size=batch, **options).job
        assert job.dates[S2] == (True, False, True, True, True, True)
        network = _Dates(S2)
        maps.append(class_map(job, network))
        assert len(network.seen) == 1
    # three of the five clear dates, spread evenly, and the first band of each
    stacked = values.reshape(6, 10, 16, 20)[[0, 3, 5], 0].sum(axis=0) % 19
    expected = stacked.repeat(16, 0).repeat(16, 1)
    for found in maps:
        assert (found == expected).all()


def test_gaps_are_filled_from_the_other_dates(tmp_path: Path):
    contract, sources, options, values = case(tmp_path, S1)
    values[2 * 2, 3, 5] = np.nan
    values[2 * 4 : 2 * 4 + 2] = np.nan  # a whole date
    write_raster(tmp_path / "s.tif", values, pixel=3.2)
    for tile in (64, 128):
        job = prepared(tmp_path, contract, *sources, tile=tile, **options).job
        assert job.dates[S1] == (True, True, True, True, False, True)
        network = _Dates(S1)
        class_map(job, network)
        assert network.seen == {(-131.0, -61.0, 47.0)}


@pytest.mark.parametrize("tag", [65535, None, 0])
def test_what_a_date_lacks_never_reaches_the_network(tmp_path: Path, tag: int | None):
    """Saturated pixels of Sentinel-2, tagged or not, and what any other tag says."""
    contract, sources, options, values = case(tmp_path)
    values += 1
    marker = 65535 if tag is None else tag
    values[:10, 5, 5] = marker  # the first date
    values[30, 7, 9] = marker  # one band of the fourth
    values[50:, :4, :4] = marker  # a twentieth of the sixth
    write_raster(tmp_path / "s.tif", values, pixel=3.2, nodata=tag)
    job = prepared(tmp_path, contract, *sources, **options).job
    network = _Dates(S2)
    class_map(job, network)
    assert job.dates[S2] == (True, False, True, True, True, True)
    assert network.least >= 1
    assert network.most <= 41


def test_a_corner_without_any_date_is_no_gap_of_the_dates(tmp_path: Path):
    contract, sources, options, values = case(tmp_path)
    values += 1
    values[:, :8, :8] = 0  # a fifth of the raster, as beside a swath
    values[20:30] = 0
    write_raster(tmp_path / "s.tif", values, pixel=3.2, nodata=0)
    job = prepared(tmp_path, contract, *sources, **options).job
    assert job.dates[S2] == (True, False, False, True, True, True)


def test_clouds_everywhere_and_other_numbers_of_bands_are_refused(tmp_path: Path):
    contract, sources, options, values = case(tmp_path)
    write_raster(tmp_path / "s.tif", values[:-10], pixel=3.2)
    with pytest.raises(DataError, match=r"expected 6 dates of 10 bands .* 60 bands in all, but .* has 50"):
        prepared(tmp_path, contract, *sources, **options)
    write_raster(tmp_path / "s.tif", values, pixel=3.2)
    clouds = np.full((12, 16, 20), 90, np.uint16)
    options["mask"] = str(write_raster(tmp_path / "m.tif", clouds, pixel=3.2))
    with pytest.raises(DataError, match="the clearest has 100%; give --max-covered"):
        prepared(tmp_path, contract, *sources, **options)
    job = prepared(tmp_path, contract, *sources, cloud={"enabled": False}, **options).job
    assert all(job.dates[S2])
    with pytest.raises(ValueError, match="cloud mask of SENTINEL2_TS, but got none; add --mask"):
        prepared(tmp_path, contract, *sources, dates=options["dates"])
    with pytest.raises(ValueError, match="dates of SENTINEL2_TS, but got none; add --dates"):
        prepared(tmp_path, contract, *sources, mask=options["mask"])


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("20200105\n20200220\n", ("20200105", "20200220")),
        ("2020-01-05, 2020-02-20", ("20200105", "20200220")),
        ('{"2": "20200220", "1": "20200105"}', ("20200105", "20200220")),
    ],
)
def test_dates_are_read_in_their_order(tmp_path: Path, text: str, days: tuple[str, ...]):
    (tmp_path / "d.txt").write_text(text)
    assert read_dates(tmp_path / "d.txt") == days


@pytest.mark.parametrize(("text", "message"), [("", "it is empty"), ("20201301", "but got '20201301'"), ("{", "JSON")])
def test_other_texts_are_refused(tmp_path: Path, text: str, message: str):
    (tmp_path / "d.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_dates(tmp_path / "d.txt")
