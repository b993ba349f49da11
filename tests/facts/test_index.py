from __future__ import annotations

import multiprocessing
import zlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from tests.fact_tables import FILTER, index_archives
from tests.folders import digests, flip

from flairhub.archives.checksums import Checksums
from flairhub.archives.reader import PatchReader
from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.errors import DataError, IntegrityError, MissingFileError
from flairhub.facts import index as module
from flairhub.facts import pieces
from flairhub.facts.draw import RoiDraw
from flairhub.facts.index import build_index
from flairhub.facts.tables import read_date_lists, read_dates, read_patches, read_splits
from flairhub.locks import locked
from flairhub.records.index_summary import read_summaries
from flairhub.records.manifest import Manifest
from flairhub.sources.local import local_manifest
from flairhub.sources.wanted_archives import Selection

PATCHES = ("D012-2019_AF-S1-27_1-1", "D012-2019_AF-S1-27_1-2", "D012-2019_UU-S1-3_10-2")
SHAPES = {
    "AERIAL_RGBI": (4, 32, 32),
    "AERIAL-RLT_PAN": (1, 16, 16),
    "DEM_ELEV": (2, 32, 32),
    "SENTINEL1-ASC_TS": (3 * 2, 5, 5),
    "SENTINEL2_MSK-SC": (4 * 2, 5, 5),
    "ALL_LABEL-LPIS": (3, 32, 32),
}


def array_of(patch: str, modality: str) -> np.ndarray:
    seed = zlib.crc32(f"{patch} {modality}".encode())
    values = np.random.default_rng(seed).random(SHAPES[modality]) * 20
    return values.astype(MODALITIES[modality].dtype)


class World:
    """Archives of three patches, and the index made from them."""

    def __init__(self, folder: Path, geotiff, store_archive) -> None:
        self.root = folder
        self.folder = folder / "archives"
        self.geotiff = geotiff
        self.store_archive = store_archive
        for modality in SHAPES:
            self.put(modality, {patch: geotiff(array_of(patch, modality)) for patch in PATCHES})

    def put(self, modality: str, contents: dict[str, bytes], extra: dict[str, bytes] | None = None, **options) -> None:
        members = {member_of(parse_patch_id(patch), modality): data for patch, data in contents.items()}
        archive = archive_of(parse_patch_id(PATCHES[0]), modality)
        self.store_archive(self.folder, archive, {**members, **(extra or {})}, **options)

    def manifest(self) -> Manifest:
        return local_manifest(self.folder, Selection(), Checksums(self.root / "v.sqlite"))

    def index(self, name: str = "index", **options) -> Path:
        return index_archives(self.folder, self.root, name, **options)


@pytest.fixture
def world(tmp_path, geotiff, store_archive) -> World:
    return World(tmp_path, geotiff, store_archive)


@pytest.fixture
def built(monkeypatch) -> list[str]:
    """Archives whose pixels were read."""
    names: list[str] = []
    real = module.build_part

    def spy(task):
        names.append(task.archive)
        return real(task)

    monkeypatch.setattr(module, "build_part", spy)
    return names


def test_every_patch_has_a_row_that_a_plain_reading_confirms(world):
    table = read_patches(world.index())
    assert len(table) == len(SHAPES) * len(PATCHES)
    assert table["error"].isna().all()
    for row in table.itertuples():
        array = array_of(row.patch_id, row.modality)
        assert (row.num_bands, row.height, row.width) == array.shape
        assert row.dtype == array.dtype
        assert row.archive == archive_of(parse_patch_id(row.patch_id), row.modality)
        data = PatchReader(world.folder).read(row.archive, row.member, row.crc32)
        assert (len(data), zlib.crc32(data)) == (row.size, row.crc32)
        bands = len(MODALITIES[row.modality].bands)
        groups = (
            array.astype("f8").reshape(-1, bands, array.shape[1] * array.shape[2]).swapaxes(0, 1).reshape(bands, -1)
        )
        if row.modality == "DEM_ELEV":
            groups = np.concatenate([groups, groups[:1] - groups[1:]])
        np.testing.assert_array_equal(row.band_n, [group.size for group in groups])
        np.testing.assert_allclose(row.band_mean, groups.mean(axis=1), rtol=1e-13)
        np.testing.assert_allclose(row.band_m2, groups.var(axis=1) * groups.shape[1], rtol=1e-11)
        np.testing.assert_array_equal(row.band_min, groups.min(axis=1))
        np.testing.assert_array_equal(row.band_max, groups.max(axis=1))
        np.testing.assert_array_equal(row.band_zero, (groups == 0).sum(axis=1))


def test_the_recorded_offset_is_that_of_the_member(world):
    for row in read_patches(world.index()).itertuples():
        with (world.folder / f"{row.archive}.zip").open("rb") as file:
            file.seek(row.offset)
            assert file.read(4) == b"PK\x03\x04"


def test_every_date_has_a_row(world):
    table = read_dates(world.index())
    assert set(table["modality"]) == {"SENTINEL1-ASC_TS", "SENTINEL2_MSK-SC"}
    for row in table.itertuples():
        bands = len(MODALITIES[row.modality].bands)
        date = array_of(row.patch_id, row.modality).reshape(-1, bands, 25)[row.date_index].astype("f8")
        np.testing.assert_allclose(row.band_mean, date.mean(axis=1), rtol=1e-13)
        np.testing.assert_allclose(row.band_m2, date.var(axis=1) * 25, rtol=1e-11)
        assert row.zero_count == (date == 0).sum()
        if row.modality == "SENTINEL2_MSK-SC":
            assert row.clear_share == ((date[0] <= 1) & (date[1] <= 1)).mean()
        else:
            assert np.isnan(row.clear_share)
    counts = table.groupby(["modality", "patch_id"])["date_index"].apply(list)
    assert all(counts["SENTINEL1-ASC_TS", patch] == [0, 1, 2] for patch in PATCHES)


def test_labels_keep_their_histogram(world):
    row = read_patches(world.index(), ["ALL_LABEL-LPIS"]).iloc[0]
    array = array_of(row.patch_id, "ALL_LABEL-LPIS").reshape(3, -1)
    expected = np.concatenate([np.bincount(band, minlength=256) for band in array])
    np.testing.assert_array_equal(row.label_counts, expected)
    assert read_patches(world.root / "index", ["DEM_ELEV"])["label_counts"].isna().all()


def test_a_historical_image_gets_the_year_of_its_patch(world):
    table = read_patches(world.index(), ["AERIAL-RLT_PAN"])
    assert tuple(table["patch_id"]) == PATCHES
    assert set(table["archive"]) == {"D012-195X_AERIAL-RLT_PAN"}


def test_the_bytes_do_not_depend_on_who_computes(world, monkeypatch):
    monkeypatch.setattr(module, "INLINE_BYTES", 0)
    expected = digests(world.index("inline", cache=world.root / "c0"))
    with ThreadPoolExecutor(3) as threads:
        assert digests(world.index("threads", cache=world.root / "c1", executor=threads)) == expected
    assert len(expected) == len(SHAPES) + 2 + 1  # patches, dates, summary
    assert digests(world.index("cached", cache=world.root / "c0")) == expected


def test_pieces_give_the_bytes_of_whole_archives(world, built, monkeypatch):
    whole = digests(world.index("whole", cache=world.root / "c0"))
    assert len(built) == len(SHAPES)
    built.clear()
    monkeypatch.setattr(pieces, "PIECE_BYTES", 3000)
    cut = world.index("cut", cache=world.root / "c1")
    assert Counter(built)["D012-2019_AERIAL_RGBI"] > 1 == Counter(built)["D012-2019_SENTINEL2_MSK-SC"]
    assert digests(cut) == whole
    assert not list((world.root / "c1").glob(".*")), "finished pieces go"


def test_an_interrupted_index_goes_on_and_reads_no_piece_twice(world, built, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 3000)
    expected = digests(world.index("whole", cache=world.root / "c0"))
    total, real = len(built), module.build_part
    built.clear()

    def killed(task):
        if len(built) == 9:
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(module, "build_part", killed)
    with pytest.raises(KeyboardInterrupt):
        world.index("cut")
    assert len(list((world.root / "cache").glob(".*.pieces/*"))) > 0
    monkeypatch.setattr(module, "build_part", real)
    assert digests(world.index("cut")) == expected
    assert len(built) == total


def half_a_domain() -> RoiDraw:
    """A draw that keeps one of the two regions."""
    draws = (RoiDraw(share=0.5, seed=seed) for seed in range(20))
    return next(draw for draw in draws if draw.keeps("D012", "AF-S1-27") > draw.keeps("D012", "UU-S1-3"))


def test_a_share_of_regions_is_read_alike_in_every_layer(world, built):
    draw = half_a_domain()
    everything = read_patches(world.index())
    built.clear()
    table = read_patches(world.index(draw=draw))
    kept = everything[everything["patch_id"].str.contains("AF-S1-27")].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, kept)
    assert set(table["modality"]) == set(SHAPES)
    assert len(built) == len(SHAPES)
    assert read_summaries(world.root / "index")["D012-2019_AERIAL_RGBI"].ignored == 0
    pd.testing.assert_frame_equal(read_patches(world.index()), everything)
    assert len(built) == len(SHAPES), "the parts of everything were kept"


def test_a_draw_that_leaves_nothing_is_refused(world):
    with pytest.raises(
        DataError, match=r"share of 1e-09, but the draw with seed 3 leaves none; raise data\.subset\.rois"
    ):
        world.index(draw=RoiDraw(share=1e-9, seed=3))


def test_larger_shares_hold_smaller_ones():
    regions = [f"UU-S1-{number}" for number in range(400)]
    kept = [{roi for roi in regions if RoiDraw(share=share, seed=5).keeps("D012", roi)} for share in (0.1, 0.5, 1.0)]
    assert kept[0] < kept[1] < kept[2] == set(regions)
    assert 170 < len(kept[1]) < 230
    assert kept[1] != {roi for roi in regions if RoiDraw(share=0.5, seed=6).keeps("D012", roi)}


@pytest.mark.slow
def test_spawned_processes_give_the_same_bytes(world, monkeypatch):
    monkeypatch.setattr(module, "INLINE_BYTES", 0)
    expected = digests(world.index("inline", cache=world.root / "c0"))
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        assert digests(world.index("spawned", cache=world.root / "c2", executor=processes)) == expected


def test_a_new_archive_costs_only_itself(world, built):
    world.index()
    assert len(built) == len(SHAPES)
    built.clear()
    world.put("AERIAL_RGBI", {PATCHES[0]: world.geotiff(array_of(PATCHES[1], "AERIAL_RGBI"))})
    world.index()
    assert built == ["D012-2019_AERIAL_RGBI"]
    assert len(read_patches(world.root / "index", ["AERIAL_RGBI"])) == 1


def test_other_thresholds_concern_the_mask_only_and_other_code_everything(world, built):
    world.index()
    built.clear()
    world.index(filter=FILTER.model_copy(update={"enabled": False, "max_fraction_covered": 0.5}))
    assert built == []
    world.index(filter=FILTER.model_copy(update={"max_cloud": 5.0}))
    assert built == ["D012-2019_SENTINEL2_MSK-SC"]
    built.clear()
    world.index(code="d")
    assert len(built) == len(SHAPES)


def test_parts_of_older_code_do_not_pile_up_and_the_last_is_there_to_go_back_to(world, built):
    sizes = []
    for code in "abcd":
        world.index(code=code)
        sizes.append(sum(path.is_dir() for path in (world.root / "cache").iterdir()))
    archives = len(SHAPES)
    assert sizes == [archives, 2 * archives, 2 * archives, 2 * archives]
    built.clear()
    world.index(code="c")
    assert built == []


def test_a_part_lies_once_on_the_disk_where_it_can(world):
    index = world.index()
    parts = {path.stat().st_ino for path in (world.root / "cache").glob("*/*.parquet")}
    placed = {path.stat().st_ino for name in ("patches", "dates") for path in (index / name).iterdir()}
    assert placed == parts or not placed & parts, "second names, or clones"
    world.index()  # over files that cannot be written


def test_two_builds_do_not_meet(world):
    with ThreadPoolExecutor(1) as pool:
        with locked(world.root / "cache" / "lock"):
            waiting = pool.submit(world.index)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            assert not (world.root / "index").exists()
        waiting.result(timeout=60)


def test_what_left_the_data_leaves_the_index(world):
    world.index()
    (world.folder / "D012-2019_DEM_ELEV.zip").unlink()
    assert "DEM_ELEV" not in set(read_patches(world.index())["modality"])


def test_an_unreadable_raster_is_a_row(world):
    good = world.geotiff(array_of(PATCHES[0], "SENTINEL1-ASC_TS"))
    odd = world.geotiff(np.ones((5, 5, 5), "float32"))
    world.put("SENTINEL1-ASC_TS", {PATCHES[0]: good, PATCHES[1]: b"no raster", PATCHES[2]: odd})
    table = read_patches(world.index(), ["SENTINEL1-ASC_TS"]).set_index("patch_id")
    assert pd.isna(table.loc[PATCHES[0], "error"])
    assert "Expected a readable GeoTIFF" in table.loc[PATCHES[1], "error"]
    assert pd.isna(table.loc[PATCHES[1], "height"])
    assert table.loc[PATCHES[1], "band_n"] is None
    assert "a multiple of 2 bands" in table.loc[PATCHES[2], "error"]
    assert table.loc[PATCHES[2], "num_bands"] == 5
    assert set(read_dates(world.root / "index", ["SENTINEL1-ASC_TS"])["patch_id"]) == {PATCHES[0]}
    assert read_summaries(world.root / "index")["D012-2019_SENTINEL1-ASC_TS"].errors == 2


def test_an_archive_of_nothing_but_damage_still_has_its_tables(world):
    world.put("SENTINEL1-ASC_TS", {PATCHES[0]: b"no raster"})
    index = world.index()
    assert len(read_patches(index, ["SENTINEL1-ASC_TS"])) == 1
    assert len(read_dates(index, ["SENTINEL1-ASC_TS"])) == 0


def test_a_damaged_member_is_a_row_without_local_paths(world):
    path = world.folder / "D012-2019_AERIAL_RGBI.zip"
    member = PatchReader(world.folder).members("D012-2019_AERIAL_RGBI")[1]
    flip(path, member.offset + 400)
    errors = read_patches(world.index(), ["AERIAL_RGBI"])["error"]
    assert errors.isna().tolist() == [True, False, True]
    assert "CRC-32" in errors[1]
    assert str(world.root) not in errors[1]


def test_members_that_are_no_patches_are_counted(world):
    name = "D012-2019_AERIAL_RGBI"
    extra = {
        f"{name}/AF-S1-27/thumbs.db": b"",
        f"{name}/UU-S1-3/{name}_AF-S1-27_1-1.tif": b"in the folder of another region",
        f"{name}/AF-S1-27/D013-2020_AERIAL_RGBI_AF-S1-27_1-1.tif": b"of another domain",
    }
    world.put("AERIAL_RGBI", {PATCHES[0]: world.geotiff(array_of(PATCHES[0], "AERIAL_RGBI"))}, extra)
    summary = read_summaries(world.index())[name]
    assert (summary.patches, summary.ignored) == (1, 3)
    assert summary.ignored_examples == tuple(sorted(extra))


def test_an_archive_without_its_top_folder_is_named_as_such(world):
    name = archive_of(parse_patch_id(PATCHES[0]), "AERIAL_RGBI")
    members = {
        member_of(parse_patch_id(patch), "AERIAL_RGBI").removeprefix(f"{name}/"): world.geotiff(
            array_of(patch, "AERIAL_RGBI")
        )
        for patch in PATCHES
    }
    world.store_archive(world.folder, name, members)
    index = world.index()
    found = read_summaries(index)[name]
    assert found.problem is not None
    assert f"{name}: expected its rasters at {name}/<ROI>/" in found.problem
    assert f"none of its 3 members is, e.g. {min(members)!r} instead of {name}/{min(members)}" in found.problem
    assert set(read_patches(index)["modality"]) == set(SHAPES) - {"AERIAL_RGBI"}


def test_an_extracted_archive_has_the_same_facts(world):
    zipped = read_patches(world.index(), ["AERIAL_RGBI"])
    (world.folder / "D012-2019_AERIAL_RGBI.zip").unlink()
    world.put(
        "AERIAL_RGBI", {patch: world.geotiff(array_of(patch, "AERIAL_RGBI")) for patch in PATCHES}, extracted=True
    )
    extracted = read_patches(world.index(), ["AERIAL_RGBI"])
    pd.testing.assert_frame_equal(zipped.drop(columns="offset"), extracted.drop(columns="offset"))


def test_an_archive_that_changed_since_the_pull_is_refused(world):
    manifest = world.manifest()
    world.put("DEM_ELEV", {PATCHES[0]: b"other"})
    options = {"filter": FILTER, "cache": world.root / "cache", "code": "c"}
    with pytest.raises(IntegrityError, match="D012-2019_DEM_ELEV"):
        build_index(manifest, world.folder, world.root / "i", checksums=Checksums(world.root / "v.sqlite"), **options)
    (world.folder / "D012-2019_DEM_ELEV.zip").unlink()
    with pytest.raises(MissingFileError, match="D012-2019_DEM_ELEV"):
        build_index(manifest, world.folder, world.root / "i", **options)
    with pytest.raises(DataError, match="Expected archives of patches in the manifest"):
        build_index(replace(manifest, archives=()), world.folder, world.root / "i", **options)


def test_an_archive_that_is_damaged_as_a_whole_is_named_and_the_others_are_indexed(world):
    path = world.folder / "D012-2019_DEM_ELEV.zip"
    path.write_bytes(path.read_bytes()[:-30])
    index = world.index()
    problem = read_summaries(index)["D012-2019_DEM_ELEV"].problem
    assert problem is not None
    assert problem.startswith("D012-2019_DEM_ELEV.zip: expected a zip archive, but it is damaged")
    assert set(read_patches(index)["modality"]) == set(SHAPES) - {"DEM_ELEV"}


def test_an_error_of_a_task_stops_the_index(world, monkeypatch):
    monkeypatch.setattr(module, "INLINE_BYTES", 0)

    def fails(task):
        raise PermissionError(task.archive)

    monkeypatch.setattr(module, "build_part", fails)
    with ThreadPoolExecutor(1) as threads, pytest.raises(PermissionError, match="D012"):
        world.index(executor=threads)


@pytest.fixture(scope="module")
def real(treesat, tmp_path_factory) -> Path:
    return index_archives(treesat, tmp_path_factory.mktemp("real"))


def test_one_more_domain_re_reads_that_domain_only(treesat, tmp_path, built):
    def index(*domains: str) -> list[str]:
        built.clear()
        selection = Selection(domains=frozenset(domains), modalities=frozenset({"AERIAL_RGBI", "SENTINEL1-ASC_TS"}))
        index_archives(treesat, tmp_path, selection=selection)
        return sorted(built)

    assert index("D911") == ["D911-2020_AERIAL_RGBI", "D911-2020_SENTINEL1-ASC_TS"]
    assert index("D911", "D912-2019") == ["D912-2019_AERIAL_RGBI", "D912-2019_SENTINEL1-ASC_TS"]
    assert len(read_patches(tmp_path / "index")) == 4
    assert index("D912-2019") == []
    assert set(read_patches(tmp_path / "index")["patch_id"].str[:9]) == {"D912-2019"}


def test_the_real_set_is_complete(real):
    table = read_patches(real)
    assert len(table) == 4 * 6
    assert table["error"].isna().all()
    sizes = table.groupby("modality")[["height", "width"]].agg(lambda x: tuple(sorted(set(x))))
    assert sizes.loc["AERIAL_RGBI", "height"] == sizes.loc["AERIAL_LABEL-COSIA", "width"] == (304,)
    assert sizes.loc["SENTINEL2_TS", "height"] == (6,)
    assert set(table["crs"]) == {"EPSG:25832"}
    bounds = table.groupby("patch_id")[["left", "bottom", "right", "top"]].agg(np.ptp)
    assert (bounds < 1e-6).all(axis=None)  # metres: the same footprint up to rounding


def test_the_real_series_have_their_lengths(real):
    counts = read_patches(real).pivot_table(index="patch_id", columns="modality", values="num_dates")
    assert counts["SENTINEL2_TS"].tolist() == counts["SENTINEL2_MSK-SC"].tolist() == [146, 146, 92, 42]
    assert counts["SENTINEL1-ASC_TS"].tolist() == [60, 115, 121, 60]
    assert counts["SENTINEL1-DESC_TS"].tolist() == [86, 235, 119, 136]
    series = read_patches(real, ["SENTINEL2_TS", "SENTINEL1-DESC_TS"])
    assert (series["num_metadata_dates"] == series["num_dates"]).all()


def test_the_real_holes_are_found(real):
    dates = read_dates(real, ["SENTINEL1-DESC_TS"])
    holes = dates[dates["missing_count"] > 0]
    assert set(holes["patch_id"]) == {"D912-2019_FF-S1-1_1-1"}
    assert holes["missing_count"].tolist() == [2, 2]
    assert [list(n) for n in holes["band_n"]] == [[35, 35], [35, 35]]
    patch = read_patches(real, ["SENTINEL1-DESC_TS"]).set_index("patch_id").loc["D912-2019_FF-S1-1_1-1"]
    assert patch["nan_share"] == pytest.approx(4 / (470 * 36))
    assert np.isfinite(patch["band_mean"]).all()


def test_the_real_clear_dates_are_those_of_the_source_s_count(real):
    masks = read_dates(real, ["SENTINEL2_MSK-SC"], ["patch_id", "clear_share"])
    kept = masks[masks["clear_share"] >= 0.95].groupby("patch_id").size()
    assert kept.tolist() == [48, 46, 24, 7]


def test_the_real_dates_repeat_days(real):
    dates = read_dates(real, ["SENTINEL1-DESC_TS"], ["patch_id", "date"])
    assert dates["date"].notna().all()
    repeats = dates.groupby("patch_id")["date"].agg(lambda days: days.duplicated().sum())
    assert repeats.tolist() == [25, 114, 0, 17]
    assert dates.groupby("patch_id")["date"].agg(lambda days: days.is_monotonic_increasing).all()


def test_the_real_statistics_are_those_of_a_plain_reading(real, treesat):
    row = read_patches(real, ["AERIAL_RGBI"]).iloc[0]
    path = f"zip://{treesat / row.archive}.zip!{row.member}"
    with rasterio.open(path) as dataset:
        pixels = dataset.read().reshape(4, -1).astype("f8")
    np.testing.assert_allclose(row.band_mean, pixels.mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(np.sqrt(row.band_m2 / row.band_n), pixels.std(axis=1), rtol=1e-12)


def test_the_real_splits_and_date_lists(real):
    assert read_splits(real)["split_1"].tolist() == ["train", "train", "test", "valid"]
    lists = read_date_lists(real)
    assert len(lists) == 4 * 4
    assert lists["patch_id"].isna().all()


def test_dates_that_disagree_with_the_file_are_null(treesat, tmp_path, geotiff, store_archive):
    for path in treesat.glob("*.zip"):
        if path.stem in {"GLOBAL_ALL_MTD", "D911-2020_SENTINEL1-ASC_TS"}:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    name = "D912-2019_SENTINEL1-ASC_TS"
    member = f"{name}/FF-S1-1/{name}_FF-S1-1_1-1.tif"
    store_archive(tmp_path, name, {member: geotiff(np.ones((2 * 7, 6, 6), "float32"))})
    patches = read_patches(index_archives(tmp_path, tmp_path)).set_index("patch_id")
    row = patches.loc["D912-2019_FF-S1-1_1-1"]
    assert (row["num_dates"], row["num_metadata_dates"]) == (7, 115)
    dates = read_dates(tmp_path / "index")
    known = dates.groupby("patch_id")["date"].count()
    assert known.tolist() == [60, 0]
