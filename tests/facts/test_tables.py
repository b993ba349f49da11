from __future__ import annotations

import pytest

from flairhub.errors import ConfigurationError, DataError, MissingFileError
from flairhub.facts.schemas import DATES, PATCHES
from flairhub.facts.tables import iter_dates, iter_patches, read_date_lists, read_dates, read_patches, read_splits


def write(folder, name, schema):
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(schema.empty_table(), folder / f"{name}.parquet")


def test_an_index_that_was_not_built_is_said(tmp_path):
    for read in (read_patches, read_dates):
        with pytest.raises(MissingFileError, match="run the index stage"):
            read(tmp_path)
    for read in (read_splits, read_date_lists):
        with pytest.raises(MissingFileError, match="no archive GLOBAL_ALL_MTD with"):
            read(tmp_path)


def test_parts_are_chosen_by_modality(tmp_path):
    write(tmp_path / "patches", "D012-2019_AERIAL_RGBI", PATCHES)
    write(tmp_path / "patches", "D012-2019_DEM_ELEV", PATCHES)
    write(tmp_path / "dates", "D012-2019_SENTINEL2_TS", DATES)
    assert len(list(iter_patches(tmp_path))) == 2
    assert len(list(iter_patches(tmp_path, ["DEM_ELEV"]))) == 1
    assert [part.column_names for part in iter_dates(tmp_path, columns=["date", "patch_id"])] == [["date", "patch_id"]]
    assert list(read_patches(tmp_path, ["SPOT_RGBI"], ["patch_id", "crc32"]).columns) == ["patch_id", "crc32"]


def test_a_modality_that_does_not_exist_is_answered_with_the_nearest(tmp_path):
    write(tmp_path / "patches", "D012-2019_DEM_ELEV", PATCHES)
    with pytest.raises(ConfigurationError, match="did you mean 'DEM_ELEV'"):
        read_patches(tmp_path, ["DEM"])


def test_a_foreign_file_in_the_index_is_refused(tmp_path):
    write(tmp_path / "patches", "notes", PATCHES)
    with pytest.raises(DataError, match=r"notes\.parquet"):
        read_patches(tmp_path)
