"""Reading the GeoPackages of GLOBAL_ALL_MTD: official splits and acquisition dates.

Only attribute tables are read, never geometries. The 241,100 rows of the full set hold some 2,800 different date
lists, one per region: each is parsed once.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flairhub.archives.reader import PatchReader
from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES, SPLIT_FILE
from flairhub.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_LOG = logging.getLogger(__name__)
_DAY = re.compile(r"\d{8}")
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
            [json.dumps(row[3], separators=(",", ":")) for row in rows],
        ]
        return pa.table(columns, schema=DATE_LISTS)


def read_metadata(reader: PatchReader) -> Metadata:
    """Read the archive GLOBAL_ALL_MTD.

    Raises:
        MissingFileError: there is no such archive.
        DataError: a GeoPackage is damaged or has not got the expected columns.
    """
    present = {member.name.rsplit("/", 1)[-1]: member.name for member in reader.members(METADATA_ARCHIVE)}
    splits = None
    if SPLIT_FILE in present:
        splits = _attributes(reader, present[SPLIT_FILE]).combine_chunks().sort_by("patch_id")
    calendars: dict[str, Calendar] = {}
    by_file: dict[str, Calendar | None] = {}
    for name, layer in MODALITIES.items():
        file = layer.dates_file
        if file is None or file not in present:
            continue
        if file not in by_file:
            by_file[file] = _calendar(_attributes(reader, present[file]), file, needed=layer.is_series)
        calendar = by_file[file]
        if calendar is not None:
            calendars[name] = calendar
    return Metadata(splits=splits, calendars=calendars)


def _attributes(reader: PatchReader, member: str) -> pa.Table:
    """Attribute table of a GeoPackage, without geometry and without the reader's own annotations."""
    import pyarrow as pa
    import pyogrio
    from pyogrio.errors import DataSourceError

    with tempfile.TemporaryDirectory(prefix="flairhub-") as folder:
        path = Path(folder) / member.rsplit("/", 1)[-1]
        path.write_bytes(reader.read(METADATA_ARCHIVE, member))
        try:
            table: pa.Table = pyogrio.read_arrow(path, read_geometry=False)[1]
        except DataSourceError as error:
            reason = str(error).replace(folder + "/", "")
            raise DataError(f"{member}: expected a GeoPackage, but got {reason}; fetch the archive again.") from None
    if "patch_id" not in table.column_names:
        raise DataError(f"{member}: expected a column `patch_id`, but got {', '.join(table.column_names)}.")
    columns = {
        name: table.column(name).cast(pa.string()) if _is_text(table.column(name).type) else table.column(name)
        for name in ("patch_id", *(name for name in table.column_names if name != "patch_id"))
    }
    return pa.table(columns).replace_schema_metadata(None)


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
    frame = frame[frame["code"] >= 0].drop_duplicates("patch")
    return _split_exceptions(frame, parsed)


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
        except ValueError:
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
