"""Reading the table of facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import parse_archive
from flairhub.config.base import nearest
from flairhub.errors import ConfigurationError, DataError, MissingFileError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def read_patches(
    index: Path, modalities: Iterable[str] | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """One row per (patch, modality), sorted by archive, then by patch; columns as in `schemas.PATCHES`.

    Args:
        index: folder of the index stage, `data/index`.
        modalities: layers wanted; None: all.
        columns: columns wanted; None: all. Naming them matters on the full set: lists are slow in pandas.

    Raises:
        MissingFileError: the index was not built.
        ConfigurationError: a modality does not exist.
    """
    from flairhub.facts.schemas import PATCHES

    return _frame(iter_patches(index, modalities, columns), PATCHES, columns)


def read_dates(
    index: Path, modalities: Iterable[str] | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """One row per (patch, modality, date) of series and masks, in file order; columns as in `schemas.DATES`.

    On the full set a series has tens of millions of rows: name the columns, or go part by part with `iter_dates`.

    Raises:
        MissingFileError: the index was not built.
        ConfigurationError: a modality does not exist.
    """
    from flairhub.facts.schemas import DATES

    return _frame(iter_dates(index, modalities, columns), DATES, columns)


def iter_patches(
    index: Path, modalities: Iterable[str] | None = None, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """The table of patches archive by archive, as Arrow tables (lists stay flat arrays)."""
    return _parts(index / "patches", modalities, columns)


def iter_dates(
    index: Path, modalities: Iterable[str] | None = None, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """The table of dates archive by archive, as Arrow tables (lists stay flat arrays)."""
    return _parts(index / "dates", modalities, columns)


def read_splits(index: Path) -> pd.DataFrame:
    """The official split columns: `patch_id`, then every column of the split GeoPackage; sorted by patch_id.

    Raises:
        MissingFileError: the data has no split metadata.
    """
    return _metadata(index, "splits.parquet", "GLOBAL_ALL_MTD_SPLIT.gpkg")


def read_date_lists(index: Path) -> pd.DataFrame:
    """Acquisition dates as the metadata states them; columns as in `schemas.DATE_LISTS`.

    Raises:
        MissingFileError: the data has no date metadata.
    """
    return _metadata(index, "dates.parquet", "the GLOBAL_*_MTD_DATES.gpkg files")


def _metadata(index: Path, name: str, origin: str) -> pd.DataFrame:
    import pyarrow.parquet as pq

    path = index / "metadata" / name
    if not path.is_file():
        raise MissingFileError(
            f"Expected {path}, but there is none: this data has no archive GLOBAL_ALL_MTD with {origin}, or the index "
            "stage has not run."
        )
    frame: pd.DataFrame = pq.read_table(path).to_pandas()
    return frame


def _parts(folder: Path, modalities: Iterable[str] | None, columns: Sequence[str] | None) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq

    wanted = None if modalities is None else {_known(name) for name in modalities}
    if not folder.is_dir():
        raise MissingFileError(f"Expected the table of facts in {folder}, but there is none; run the index stage.")
    for path in sorted(folder.glob("*.parquet")):
        archive = parse_archive(path.stem)
        if archive is None:
            raise DataError(
                f"Expected parts named after archives in {folder}, but got {path.name}; run the index stage."
            )
        if wanted is None or archive.modality in wanted:
            yield pq.ParquetFile(path).read(columns=None if columns is None else list(columns))


def _known(modality: str) -> str:
    if modality not in MODALITIES:
        raise ConfigurationError(f"Expected a modality, but got {modality!r}{nearest(modality, MODALITIES)}")
    return modality


def _frame(parts: Iterator[pa.Table], schema: pa.Schema, columns: Sequence[str] | None) -> pd.DataFrame:
    import pyarrow as pa

    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    tables = list(parts)
    table = pa.concat_tables(tables) if tables else wanted.empty_table()
    frame: pd.DataFrame = table.select(wanted.names).to_pandas()
    return frame
