"""Reading the GeoPackages of GLOBAL_ALL_MTD: official splits and acquisition dates.

Only attribute tables are read, never geometries. The 241,100 rows of the full set hold some 2,800 different date
lists, one per region: each is parsed once.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flairhub.archives.reader import PatchReader
from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES, SPLIT_FILE
from flairhub.catalog.names import parse_archive
from flairhub.errors import DataError
from flairhub.records.manifest import Manifest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_LOG = logging.getLogger(__name__)
_DAY = re.compile(r"[0-9]{8}")
_COMPANIONS = ("-wal", "-journal")
"""What SQLite keeps beside a file: edits that are not in it yet, or how to undo edits that are half in it."""
_DATE_COLUMNS = ("acquisition_dates", "date")

Dates = tuple[str | None, ...]
"""YYYYMMDD in file order; None for an entry that is no such date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Acquisition dates of one modality."""

    rois: dict[str, Dates] = field(default_factory=dict)
    """`<DOMAIN>-<YEAR>_<ROI>` -> dates that its patches share."""
    patches: dict[str, Dates] = field(default_factory=dict)
    """Patch id -> dates, for patches that differ from their region."""

    def of(self, patch_id: str) -> Dates | None:
        """Dates of a patch, its own before those of its region; None where the metadata has none."""
        return self.patches.get(patch_id, self.rois.get(patch_id.rsplit("_", 1)[0]))

    def part(self, domain_years: set[str]) -> Calendar:
        """Only what concerns these domain-years."""
        return Calendar(
            rois={key: dates for key, dates in self.rois.items() if key.split("_", 1)[0] in domain_years},
            patches={key: dates for key, dates in self.patches.items() if key.split("_", 1)[0] in domain_years},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """All that the metadata archive states, as far as it exists."""

    splits: pa.Table | None = None
    """Attribute table of the split GeoPackage, sorted by patch_id."""
    calendars: dict[str, Calendar] = field(default_factory=dict)
    """Modality -> dates."""

    @property
    def patch_ids(self) -> list[str]:
        """Patch ids of the split table."""
        return [] if self.splits is None else self.splits.column("patch_id").to_pylist()

    def date_lists(self) -> pa.Table:
        """The calendars as the table `schemas.DATE_LISTS`."""
        import pyarrow as pa

        from flairhub.facts.schemas import DATE_LISTS

        rows = []
        for modality, calendar in self.calendars.items():
            rows += [(modality, key, "", dates) for key, dates in calendar.rois.items()]
            rows += [(modality, key.rsplit("_", 1)[0], key, dates) for key, dates in calendar.patches.items()]
        rows.sort(key=lambda row: row[:3])
        columns = [
            [row[0] for row in rows],
            [row[1] for row in rows],
            [row[2] or None for row in rows],
            [json.dumps(row[3], separators=(",", ":"), allow_nan=False) for row in rows],
        ]
        return pa.table(columns, schema=DATE_LISTS)


def require_dates(manifest: Manifest, reader: PatchReader) -> None:
    """Make sure that the metadata of every series is there, before a pixel is read.

    Without it every date would be unknown, and the audit would reject each of them.

    Raises:
        DataError: the archive GLOBAL_ALL_MTD or a file in it is missing.
    """
    parsed = (parse_archive(name) for name in manifest.names)
    layers = [MODALITIES[archive.modality] for archive in parsed if archive is not None]
    needed = {layer.dates_file for layer in layers if layer.is_series and layer.dates_file is not None}
    whole = manifest.find(METADATA_ARCHIVE) is not None
    present = {member.name.rsplit("/", 1)[-1] for member in reader.members(METADATA_ARCHIVE)} if whole else set()
    if needed <= present:
        return
    lacking = f"its {METADATA_ARCHIVE} has not got it" if whole else f"there is no archive {METADATA_ARCHIVE}"
    raise DataError(
        f"Expected {', '.join(sorted(needed - present))} with the acquisition dates of the series beside the data, but "
        f"{lacking}; add it and run `flairhub repro`, or leave the series out by data.subset.modalities."
    )


def read_metadata(reader: PatchReader) -> Metadata:
    """Read the archive GLOBAL_ALL_MTD.

    Raises:
        MissingFileError: there is no such archive.
        DataError: a GeoPackage is damaged or has not got the expected columns.
    """
    present = {member.name.rsplit("/", 1)[-1]: member.name for member in reader.members(METADATA_ARCHIVE)}
    splits = None
    if SPLIT_FILE in present:
        splits = _attributes(reader, SPLIT_FILE, present).combine_chunks().sort_by("patch_id")
    calendars: dict[str, Calendar] = {}
    by_file: dict[str, Calendar | None] = {}
    for name, layer in MODALITIES.items():
        file = layer.dates_file
        if file is None or file not in present:
            continue
        if file not in by_file:
            by_file[file] = _calendar(_attributes(reader, file, present), file, needed=layer.is_series)
        calendar = by_file[file]
        if calendar is not None:
            calendars[name] = calendar
    return Metadata(splits=splits, calendars=calendars)


def _attributes(reader: PatchReader, file: str, present: Mapping[str, str]) -> pa.Table:
    """Attribute table of a GeoPackage, without geometry and without the reader's own annotations.

    Args:
        reader: of the archives.
        file: name of the GeoPackage.
        present: name of every file of the metadata archive -> its member.
    """
    import pyarrow as pa
    import pyogrio
    from pyogrio.errors import DataSourceError

    member = present[file]
    with tempfile.TemporaryDirectory(prefix="flairhub-") as folder:
        path = Path(folder) / file
        for suffix in ("", *_COMPANIONS):
            if file + suffix in present:
                Path(folder, file + suffix).write_bytes(reader.read(METADATA_ARCHIVE, present[file + suffix]))
        try:
            _settle(path)
            table: pa.Table = pyogrio.read_arrow(path, read_geometry=False)[1]
        except (DataSourceError, sqlite3.DatabaseError) as error:
            reason = str(error).replace(folder + "/", "")
            raise DataError(f"{member}: expected a GeoPackage, but got {reason}; fetch the archive again.") from None
    if "patch_id" not in table.column_names:
        raise DataError(f"{member}: expected a column `patch_id`, but got {', '.join(table.column_names)}.")
    columns = {
        name: table.column(name).cast(pa.string()) if _is_text(table.column(name).type) else table.column(name)
        for name in ("patch_id", *(name for name in table.column_names if name != "patch_id"))
    }
    return pa.table(columns).replace_schema_metadata(None)


def _settle(path: Path) -> None:
    """Let SQLite put into a GeoPackage what its companions hold, as it does for whoever opens the original."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _calendar(table: pa.Table, file: str, *, needed: bool) -> Calendar | None:
    """Dates by region, and by patch where a patch differs.

    Only the dates of series are used; those of single images may be laid out otherwise.
    """
    import pandas as pd

    column = next((name for name in _DATE_COLUMNS if name in table.column_names), None)
    if column is None:
        message = f"{file}: expected a column `acquisition_dates` or `date`, but got {', '.join(table.column_names)}."
        if needed:
            raise DataError(message)
        _LOG.warning("%s Its dates are left out.", message)
        return None
    codes, texts = pd.factorize(table.column(column).to_pandas())
    parsed = [_parse(text, file) for text in texts]
    patches = table.column("patch_id").to_pandas()
    frame = pd.DataFrame({"patch": patches, "roi": patches.str.rsplit("_", n=1).str[0], "code": codes})
    frame = frame[frame["code"] >= 0].drop_duplicates(["patch", "code"])
    frame, parsed = _without_contradictions(frame, parsed, file)
    return _split_exceptions(frame, parsed)


def _without_contradictions(frame: pd.DataFrame, parsed: list[Dates], file: str) -> tuple[pd.DataFrame, list[Dates]]:
    """One entry per patch; one that is listed with different dates has none, so that the audit names it."""
    doubtful = frame["patch"].duplicated(keep=False)
    if not doubtful.any():
        return frame, parsed
    patches = frame.loc[doubtful, "patch"].unique()
    _LOG.warning(
        "%s: expected one list of dates per patch, but %s has several (%d patches do); their dates are not used. Keep "
        "one entry of each.",
        file,
        patches[0],
        len(patches),
    )
    frame = frame.drop_duplicates("patch").copy()
    frame.loc[frame["patch"].isin(patches), "code"] = len(parsed)
    return frame, [*parsed, ()]


def _split_exceptions(frame: pd.DataFrame, parsed: list[Dates]) -> Calendar:
    """The most frequent dates of a region are the region's; the first in order where several are."""
    counts = frame.groupby(["roi", "code"], sort=True).size().reset_index(name="count")
    common = counts.sort_values(["roi", "count", "code"], ascending=[True, False, True]).drop_duplicates("roi")
    shared = dict(zip(common["roi"], common["code"], strict=True))
    other = frame[frame["code"] != frame["roi"].map(shared)]
    return Calendar(
        rois={str(roi): parsed[code] for roi, code in shared.items()},
        patches={str(patch): parsed[code] for patch, code in zip(other["patch"], other["code"], strict=True)},
    )


def _parse(text: Any, file: str) -> Dates:
    """Dates of one entry: a JSON object `{"1": "YYYYMMDD", ...}` in the order of its numbers, a list, or one date."""
    value = text
    if isinstance(text, str) and text.strip()[:1] in {"{", "["}:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise DataError(
                f"{file}: expected dates as JSON, but got {text[:60]!r}; fetch the archive again."
            ) from None
    if isinstance(value, dict):
        try:
            value = [value[key] for key in sorted(value, key=int)]
        except ValueError:
            raise DataError(f"{file}: expected dates under the keys 1, 2, ..., but got {text[:60]!r}.") from None
    if not isinstance(value, list):
        value = [value]
    return tuple(_day(item) for item in value)


def _day(value: Any) -> str | None:
    text = str(value).strip()[:10].replace("-", "")
    return text if _DAY.fullmatch(text) else None
