from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.folders import digests

from flairhub.catalog.modalities import FOOTPRINT_M, METADATA_ARCHIVE, MODALITIES, SPLIT_FILE
from flairhub.catalog.names import archive_of, member_of, parse_archive, parse_file, parse_patch_id
from flairhub.sample import build as build_module
from flairhub.sample.build import build_sample

from .conftest import Built, sample_params


def _rasters(built: Built):
    import rasterio

    for path in sorted(built.folder.glob("D*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with rasterio.MemoryFile(archive.read(name)) as memory, memory.open() as file:
                    yield path.stem, name, file


def _table(built: Built, name: str, tmp_path: Path):
    import pyogrio

    with zipfile.ZipFile(built.folder / f"{METADATA_ARCHIVE}.zip") as archive:
        archive.extract(f"{METADATA_ARCHIVE}/{name}", tmp_path)
    path = tmp_path / METADATA_ARCHIVE / name
    attributes = pyogrio.read_arrow(path, read_geometry=False)[1].to_pandas()
    return attributes, pyogrio.read_info(path), pyogrio.read_bounds(path)[1].T


def test_archives_are_those_of_the_published_layout(built):
    names = {path.stem for path in built.folder.iterdir()}
    patches = [parse_patch_id(f"D95{k}-{year}_AA-S1-1_1-1") for k, year in ((1, 2019), (2, 2020))]
    expected = {archive_of(patch, name) for patch in patches for name in MODALITIES}
    assert names == expected | {METADATA_ARCHIVE}
    assert "D951-195X_AERIAL-RLT_PAN" in names
    assert all(path.suffix == ".zip" for path in built.folder.iterdir())


def test_members_are_named_after_their_patch_and_archive(built):
    for archive, member, _ in _rasters(built):
        parsed, roi, i, j = parse_file(Path(member).name)
        assert parsed == parse_archive(archive)
        year = {"D951": "2019", "D952": "2020"}[parsed.domain]
        patch = parse_patch_id(f"{parsed.domain}-{year}_{roi}_{i}-{j}")
        assert member == member_of(patch, parsed.modality)


def test_half_of_the_archives_is_stored_half_deflated(built):
    methods = {}
    for path in built.folder.glob("D*.zip"):
        with zipfile.ZipFile(path) as archive:
            (methods[path.stem],) = {info.compress_type for info in archive.infolist()}
    assert sorted(methods.values()) == [zipfile.ZIP_STORED] * 10 + [zipfile.ZIP_DEFLATED] * 10
    by_modality = {parse_archive(name).modality: set() for name in methods}
    for name, method in methods.items():
        by_modality[parse_archive(name).modality].add(method)
    assert all(len(seen) == 2 for seen in by_modality.values())


def test_zip_members_carry_no_clock_owner_or_system(built):
    for path in built.folder.iterdir():
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                assert info.date_time == (1980, 1, 1, 0, 0, 0)
                assert (info.create_system, info.external_attr >> 16) == (3, 0o644)


def test_rasters_have_the_bands_type_and_crs_of_their_modality(built):
    sizes = {"AERIAL-RLT_PAN": 32, "SPOT_RGBI": 16}
    count = 0
    for archive, _, file in _rasters(built):
        modality = MODALITIES[parse_archive(archive).modality]
        size = sizes.get(modality.name, 10 if modality.is_series else 64)
        assert (file.height, file.width) == (size, size)
        assert set(file.dtypes) == {modality.dtype}
        assert file.count % len(modality.bands) == 0
        assert modality.is_series or file.count == len(modality.bands)
        assert file.crs.to_epsg() == 2154
        assert file.compression.name.lower() in {"lzw", "deflate"}
        count += 1
    assert count == 4 * 10


def test_all_layers_of_a_patch_share_its_footprint(built, tmp_path):
    table, info, bounds = _table(built, SPLIT_FILE, tmp_path)
    assert info["crs"] == "EPSG:2154"
    footprints = dict(zip(table["patch_id"], bounds, strict=True))
    seen = {}
    for _, member, file in _rasters(built):
        parsed, roi, i, j = parse_file(Path(member).name)
        seen.setdefault((parsed.domain, roi, i, j), []).append(np.array(file.bounds))
    assert len(seen) == 4
    for (domain, roi, i, j), edges in seen.items():
        (patch,) = [name for name in footprints if name.startswith(domain) and name.endswith(f"_{roi}_{i}-{j}")]
        assert len(edges) == 10
        assert np.allclose(edges, footprints[patch], atol=1e-6)
        assert np.allclose(edges[0][2:] - edges[0][:2], FOOTPRINT_M)


def test_dates_match_the_bands_of_every_series(built, tmp_path):
    numbers = {}
    for name, modality in MODALITIES.items():
        if modality.dates_file is None:
            continue
        table, _, _ = _table(built, modality.dates_file, tmp_path)
        assert len(table) == 4
        column = "acquisition_dates" if modality.is_series else "date"
        assert list(table.columns) == ["patch_id", column]
        for patch, text in zip(table["patch_id"], table[column], strict=True):
            if modality.is_series:
                dates = json.loads(text)
                assert list(dates) == [str(k) for k in range(1, len(dates) + 1)]
                assert sorted(set(dates.values())) == list(dates.values())
                assert {date[:4] for date in dates.values()} == {parse_patch_id(patch).year}
                numbers[patch, name] = len(dates)
            else:
                assert len(text) == 8
                assert int(text[:4]) in (range(1947, 1966) if modality.historical else {int(patch[5:9])})
    for archive, member, file in _rasters(built):
        modality = MODALITIES[parse_archive(archive).modality]
        if modality.is_series:
            roi = member.split("/")[1]
            (number,) = {
                n
                for (patch, name), n in numbers.items()
                if name == modality.name and patch.startswith(archive[:9]) and f"_{roi}_" in patch
            }
            assert file.count == number * len(modality.bands)
            assert 1 <= number <= built.params.dates


def test_the_swath_edge_is_the_only_place_without_acquisition(built):
    zeros = {}
    for archive, member, file in _rasters(built):
        if "SENTINEL1" in archive:
            zeros[member] = int((file.read() == 0).sum())
    with_zeros = [name for name, number in zeros.items() if number]
    assert len(with_zeros) == 1
    assert with_zeros[0].startswith("D951-2019_SENTINEL1-DESC_TS/")
    assert zeros[with_zeros[0]] == 2 * 9


def test_the_same_parameters_give_the_same_bytes_later(built, tmp_path):
    time.sleep(2.1)  # the clocks of zip and GeoPackage tick every two seconds and every second
    build_sample(sample_params(), tmp_path / "again")
    assert digests(tmp_path / "again") == digests(built.folder)


def test_another_seed_gives_other_bytes_in_every_raster_archive(built, tmp_path):
    build_sample(sample_params(seed=8), tmp_path / "other")
    first, second = digests(built.folder), digests(tmp_path / "other")
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first if name.startswith("D"))


def test_an_error_leaves_neither_destination_nor_remains(monkeypatch, tmp_path):
    drawn = []

    def failing(roi, params):
        drawn.append(roi.key)
        if len(drawn) == 2:
            raise KeyboardInterrupt
        return original(roi, params)

    original = build_module.render_roi
    monkeypatch.setattr(build_module, "render_roi", failing)
    with pytest.raises(KeyboardInterrupt):
        build_sample(sample_params(), tmp_path / "archives")
    assert len(drawn) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_no_destination_and_the_next_build_clears_the_remains(tmp_path):
    script = (
        "import sys, pathlib\n"
        "from flairhub.config.pipeline import SampleParams\n"
        "from flairhub.sample.build import build_sample\n"
        f"build_sample(SampleParams.model_validate({sample_params(rois_per_domain=200).model_dump()!r}),"
        f" pathlib.Path({str(tmp_path / 'archives')!r}))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob(".archives.building-*/*.zip")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.glob(".archives.building-*/*.zip"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "archives").exists()
    build_sample(sample_params(), tmp_path / "archives")
    assert [path.name for path in tmp_path.iterdir()] == ["archives"]
    assert len(list((tmp_path / "archives").iterdir())) == 21


def test_a_folder_that_was_there_is_replaced(tmp_path):
    folder = tmp_path / "archives"
    folder.mkdir()
    (folder / "stray.zip").write_bytes(b"old")
    build_sample(sample_params(), folder)
    assert not (folder / "stray.zip").exists()
    assert len(list(folder.iterdir())) == 21
