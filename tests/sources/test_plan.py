from __future__ import annotations

import csv
from pathlib import Path

import pytest

from flairhub.catalog.hub import hub_archives
from flairhub.catalog.names import parse_patch_id
from flairhub.config.reader import read_params
from flairhub.errors import ConfigurationError
from flairhub.sources.plan import Plan, PlannedArchive, Wish, plan, training_hours

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "assets" / "toy_csv"


@pytest.fixture(scope="module")
def params():
    return read_params(ROOT / "params.yaml")


def names(found: Plan) -> list[str]:
    return [archive.name for archive in found.archives]


def test_a_row_needs_its_layers_their_masks_its_label_and_the_metadata(params, tmp_path):
    found = plan(Wish(rows=("LC-G",), domains=("D012",)), params, {}, tmp_path)
    assert names(found) == [
        "D012-2019_AERIAL_LABEL-COSIA",
        "D012-2019_SENTINEL2_MSK-SC",
        "D012-2019_SENTINEL2_TS",
        "GLOBAL_ALL_MTD",
    ]
    assert found.unknown == 4


def test_historical_images_are_found_by_their_domain(params, tmp_path):
    found = plan(Wish(rows=("LC-K",), domains=("D017-2021",)), params, {}, tmp_path)
    assert "D017-195X_AERIAL-RLT_PAN" in names(found)
    assert "D017-2018_AERIAL_RGBI" not in names(found)
    assert len([name for name in names(found) if "195X" in name]) == 1


def test_everything_is_the_snapshot(params, tmp_path):
    assert names(plan(Wish(), params, {}, tmp_path)) == list(hub_archives())
    assert len(hub_archives()) == 737


def test_rows_add_up_and_years_and_splits_cut(params, tmp_path):
    both = set(names(plan(Wish(rows=("LPIS-F", "LC-G")), params, {}, tmp_path)))
    apart = [set(names(plan(Wish(rows=(row,)), params, {}, tmp_path))) for row in ("LPIS-F", "LC-G")]
    assert both == apart[0] | apart[1]
    test = names(plan(Wish(modalities=("SPOT_RGBI",), split="test"), params, {}, tmp_path))
    assert len(test) == 1 + 16
    train = names(plan(Wish(modalities=("SPOT_RGBI",), split="train"), params, {}, tmp_path))
    assert not set(test) & set(train) - {"GLOBAL_ALL_MTD"}
    assert len(train) + len(test) == 74 + 2
    year = names(plan(Wish(modalities=("SPOT_RGBI",), years=("2017",)), params, {}, tmp_path))
    assert year == ["D080-2017_SPOT_RGBI", "GLOBAL_ALL_MTD"]


def test_the_test_domains_of_the_official_toy_files_are_those_of_the_catalog(params, tmp_path):
    """And none of their training domains is."""
    for split in ("TRAIN", "VALID", "TEST"):
        with (TOY / f"FLAIR-HUB_TOY-DATASET_{split}.csv").open() as stream:
            domains = sorted({parse_patch_id(row["patch_id"]).domain_year for row in csv.DictReader(stream)})
        wish = Wish(domains=tuple(domains), modalities=("AERIAL_RGBI",), split=split.lower())
        assert names(plan(wish, params, {}, tmp_path)) == [*(f"{d}_AERIAL_RGBI" for d in domains), "GLOBAL_ALL_MTD"]


def test_sizes_and_what_is_here(params, tmp_path):
    (tmp_path / "D012-2019_SENTINEL2_TS.zip").write_bytes(b"12345")
    (tmp_path / "GLOBAL_ALL_MTD").mkdir()
    sizes = {"D012-2019_SENTINEL2_TS": 99, "D012-2019_SENTINEL2_MSK-SC": 7}
    found = plan(Wish(rows=("LC-G",), domains=("D012",)), params, sizes, tmp_path)
    assert found.archives[1:] == (
        PlannedArchive(name="D012-2019_SENTINEL2_MSK-SC", bytes=7, here=False),
        PlannedArchive(name="D012-2019_SENTINEL2_TS", bytes=5, here=True),
        PlannedArchive(name="GLOBAL_ALL_MTD", bytes=None, here=True),
    )
    assert (found.total_bytes, found.missing_bytes, found.unknown) == (12, 7, 2)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish(rows=("LC-GG",)), "did you mean 'LC-G'"),
        (Wish(domains=("D12",)), "did you mean 'D012'"),
        (Wish(years=("2016",)), "a year of the aerial campaigns"),
        (Wish(modalities=("SPOT",)), "did you mean 'SPOT_RGBI'"),
        (Wish(split="val"), "did you mean 'valid'"),
        (Wish(domains=("D012",), years=("2021",)), "there is none; widen the choice"),
    ],
)
def test_what_does_not_exist_is_refused(params, tmp_path, wish, message):
    with pytest.raises(ConfigurationError, match=message):
        plan(wish, params, {}, tmp_path)


def test_hours_of_a_training_follow_from_its_patches(params, tmp_path):
    everything = plan(Wish(rows=("LC-A",)), params, {}, tmp_path)
    assert training_hours(150, everything.archives, 20.0) == pytest.approx(150 * 152_225 / 20 / 3600)
    one = plan(Wish(rows=("LC-A",), domains=("D004",)), params, {}, tmp_path)
    assert training_hours(150, one.archives, 20.0) == pytest.approx(150 * 152_225 / 58 / 20 / 3600)
