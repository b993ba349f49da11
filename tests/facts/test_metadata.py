from __future__ import annotations

import json
import sqlite3
import time

import numpy as np
import pyarrow as pa
import pytest

from flairhub.archives.checksums import Checksums
from flairhub.archives.reader import PatchReader
from flairhub.errors import DataError
from flairhub.facts.metadata import read_metadata, require_dates
from flairhub.sources.local import local_manifest
from flairhub.sources.wanted_archives import Selection


def geopackage(path, columns: dict[str, list], geometry: bool = True) -> bytes:
    """Write a GeoPackage; every patch is the same point."""
    import pyogrio

    rows = len(next(iter(columns.values())))
    point = np.frombuffer(b"\x01\x01\x00\x00\x00" + np.array([2.0, 45.0]).tobytes(), "u1").tobytes()
    pyogrio.raw.write(
        path,
        geometry=np.array([point] * rows, dtype=object) if geometry else None,
        field_data=[np.array(values, dtype=object) for values in columns.values()],
        fields=list(columns),
        geometry_type="Point" if geometry else None,
        crs="EPSG:4326" if geometry else None,
        driver="GPKG",
        layer="x",
    )
    return path.read_bytes()


@pytest.fixture
def store(tmp_path, store_archive):
    def write(files: dict[str, dict[str, list]], extracted: bool = False) -> PatchReader:
        members = {f"GLOBAL_ALL_MTD/{name}": geopackage(tmp_path / name, columns) for name, columns in files.items()}
        store_archive(tmp_path / "d", "GLOBAL_ALL_MTD", members, extracted=extracted)
        return PatchReader(tmp_path / "d")

    return write


def numbered(*days: str) -> str:
    return json.dumps({str(k + 1): day for k, day in enumerate(days)})


S2 = "GLOBAL_SENTINEL2_MTD_DATES.gpkg"
SPLIT = "GLOBAL_ALL_MTD_SPLIT.gpkg"
A, B, C = "D012-2019_AF-S1-27_1-1", "D012-2019_AF-S1-27_1-2", "D012-2019_UU-S1-3_1-1"


@pytest.mark.parametrize("extracted", [True, False])
def test_splits_come_sorted_and_without_geometry(store, extracted):
    columns = {"patch_id": [C, A], "split_1": ["test", "train"], "split_toy": ["train", None]}
    table = read_metadata(store({SPLIT: columns}, extracted)).splits
    assert table.column_names == ["patch_id", "split_1", "split_toy"]
    assert table.to_pydict() == {"patch_id": [A, C], "split_1": ["train", "test"], "split_toy": [None, "train"]}
    assert table.schema.metadata is None
    assert table.schema.field("patch_id").type == pa.string()


def test_dates_are_kept_by_region_with_exceptions_by_patch(store):
    days = [numbered("20190102", "20190203")] * 2 + [numbered("20190405")]
    third = "D012-2019_AF-S1-27_1-3"
    reader = store({S2: {"patch_id": [A, B, third], "acquisition_dates": days}})
    calendar = read_metadata(reader).calendars["SENTINEL2_TS"]
    assert calendar.rois == {"D012-2019_AF-S1-27": ("20190102", "20190203")}
    assert calendar.patches == {third: ("20190405",)}
    assert calendar.of(third) == ("20190405",)
    assert calendar.of("D012-2019_AF-S1-27_9-9") == ("20190102", "20190203")
    assert calendar.of(C) is None
    assert calendar.part({"D013-2020"}).rois == {}


def test_the_mask_shares_the_dates_of_its_series(store):
    calendars = read_metadata(store({S2: {"patch_id": [A], "acquisition_dates": [numbered("20190102")]}})).calendars
    assert calendars["SENTINEL2_MSK-SC"] == calendars["SENTINEL2_TS"]
    assert "SENTINEL1-ASC_TS" not in calendars


def test_entries_are_ordered_by_number_not_by_text(store):
    days = [f"201901{k:02d}" for k in range(1, 13)]
    text = json.dumps({str(k + 1): days[k] for k in reversed(range(12))}, sort_keys=True)  # "1", "10", "11", ...
    calendar = read_metadata(store({S2: {"patch_id": [A], "acquisition_dates": [text]}})).calendars["SENTINEL2_TS"]
    assert calendar.of(A) == tuple(days)


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ('["20190102", "2019-02-03"]', ("20190102", "20190203")),
        ('{"1": "20190102", "2": null, "3": "soon"}', ("20190102", None, None)),
        ("20190102", ("20190102",)),
        ("{}", ()),
    ],
)
def test_other_spellings(store, text, dates):
    calendar = read_metadata(store({S2: {"patch_id": [A], "acquisition_dates": [text]}})).calendars["SENTINEL2_TS"]
    assert calendar.of(A) == dates


def test_the_day_of_a_single_image(store):
    columns = {"patch_id": [A, C], "date": ["20190630", "19500700"]}
    metadata = read_metadata(store({"GLOBAL_AERIAL-RLT_MTD_DATES.gpkg": columns}))
    assert metadata.calendars["AERIAL-RLT_PAN"].of(C) == ("19500700",)
    assert metadata.date_lists().to_pylist()[0] == {
        "modality": "AERIAL-RLT_PAN",
        "roi_key": "D012-2019_AF-S1-27",
        "patch_id": None,
        "dates": '["20190630"]',
    }


def test_a_patch_without_dates_has_those_of_its_region(store):
    columns = {"patch_id": [A, B], "acquisition_dates": [None, numbered("20190102")]}
    assert read_metadata(store({S2: columns})).calendars["SENTINEL2_TS"].of(A) == ("20190102",)


def test_wrong_columns_of_a_series_are_refused_and_of_an_image_left_out(store, caplog):
    with pytest.raises(DataError, match="expected a column `acquisition_dates` or `date`, but got patch_id, days"):
        read_metadata(store({S2: {"patch_id": [A], "days": ["x"]}}))
    metadata = read_metadata(store({"GLOBAL_SPOT_MTD_DATES.gpkg": {"patch_id": [A], "days": ["x"]}}))
    assert metadata.calendars == {}
    assert "GLOBAL_SPOT_MTD_DATES.gpkg" in caplog.text


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"zone": [A], "acquisition_dates": ["{}"]}, "expected a column `patch_id`"),
        ({"patch_id": [A], "acquisition_dates": ["{1:"]}, "expected dates as JSON"),
        ({"patch_id": [A], "acquisition_dates": ['{"a": "20190101"}']}, "under the keys 1, 2"),
    ],
)
def test_damaged_dates_are_refused(store, columns, message):
    with pytest.raises(DataError, match=message):
        read_metadata(store({S2: columns}))


def test_a_file_that_is_no_geopackage_is_refused_alike_every_time(tmp_path, store_archive):
    store_archive(tmp_path, "GLOBAL_ALL_MTD", {f"GLOBAL_ALL_MTD/{SPLIT}": b"no database" * 100})
    messages = set()
    for _ in range(2):
        with pytest.raises(DataError, match="expected a GeoPackage") as caught:
            read_metadata(PatchReader(tmp_path))
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_the_real_dates(treesat):
    metadata = read_metadata(PatchReader(treesat))
    patch = "D912-2019_FF-S1-1_1-1"
    counts = {name: len(calendar.of(patch)) for name, calendar in metadata.calendars.items()}
    assert counts == {
        "SENTINEL2_TS": 146,
        "SENTINEL2_MSK-SC": 146,
        "SENTINEL1-ASC_TS": 115,
        "SENTINEL1-DESC_TS": 235,
    }
    assert metadata.splits.column("split_1").to_pylist() == ["train", "train", "test", "valid"]
    assert len(metadata.patch_ids) == 4


@pytest.mark.slow
def test_the_full_size_takes_seconds(store):
    rois = [f"D{d:03d}-2020_AF-S1-{r}" for d in range(70) for r in range(40)]
    patches = [f"{roi}_{k // 10 + 1}-{k % 10 + 1}" for roi in rois for k in range(86)]
    texts = {
        roi: numbered(*(f"2020{(k % 12) + 1:02d}{k % 28 + 1:02d}" for k in range(80 + i % 20)))
        for i, roi in enumerate(rois)
    }
    reader = store({S2: {"patch_id": patches, "acquisition_dates": [texts[p.rsplit("_", 1)[0]] for p in patches]}})
    start = time.process_time()
    calendar = read_metadata(reader).calendars["SENTINEL2_TS"]
    assert time.process_time() - start < 15
    assert (len(calendar.rois), len(calendar.patches)) == (2800, 0)


def edited(path, mode: str) -> dict[str, bytes]:
    """Files of a GeoPackage whose patch is in train, as another program leaves them in the middle of its work."""
    geopackage(path, {"patch_id": [A], "split_1": ["train"]}, geometry=False)
    editor = sqlite3.connect(path, isolation_level=None)
    editor.execute(f"PRAGMA journal_mode = {mode}")
    editor.execute("PRAGMA cache_size = 1")  # what is not committed goes to the file, too
    editor.execute("BEGIN")
    editor.execute("CREATE TABLE filler (x)")
    editor.executemany("INSERT INTO filler VALUES (?)", [("x" * 4000,)] * 100)
    editor.execute("UPDATE x SET split_1 = 'test'")
    if mode == "wal":
        editor.execute("COMMIT")
    files = {each.name: each.read_bytes() for each in path.parent.glob(f"{path.name}*")}
    editor.close()
    return files


@pytest.mark.parametrize("extracted", [True, False])
@pytest.mark.parametrize(("mode", "companion", "split"), [("wal", "-wal", "test"), ("delete", "-journal", "train")])
def test_a_geopackage_is_read_with_what_lies_beside_it(tmp_path, store_archive, mode, companion, split, extracted):
    (tmp_path / "made").mkdir()
    files = edited(tmp_path / "made" / SPLIT, mode)
    assert files[SPLIT + companion]
    members = {f"GLOBAL_ALL_MTD/{name}": data for name, data in files.items()}
    store_archive(tmp_path / "d", "GLOBAL_ALL_MTD", members, extracted=extracted)
    table = read_metadata(PatchReader(tmp_path / "d")).splits
    assert table.to_pydict() == {"patch_id": [A], "split_1": [split]}


def test_series_without_their_dates_are_said_to_be(tmp_path, store, store_archive):
    folder, series = tmp_path / "d", "D012-2019_SENTINEL2_TS"
    store_archive(folder, series, {"x": b""})
    store_archive(folder, "D012-2019_AERIAL_RGBI", {"x": b""})

    def manifest():
        return local_manifest(folder, Selection(), Checksums(tmp_path / "v.sqlite"))

    with pytest.raises(DataError, match=rf"{S2} .* there is no archive GLOBAL_ALL_MTD"):
        require_dates(manifest(), PatchReader(folder))
    store({SPLIT: {"patch_id": [A], "split_1": ["train"]}})
    with pytest.raises(DataError, match=rf"{S2} .* GLOBAL_ALL_MTD has not got it"):
        require_dates(manifest(), PatchReader(folder))
    store({S2: {"patch_id": [A], "acquisition_dates": [numbered("20190102")]}})
    require_dates(manifest(), PatchReader(folder))
    (folder / f"{series}.zip").unlink()
    (folder / "GLOBAL_ALL_MTD.zip").unlink()
    require_dates(manifest(), PatchReader(folder))
