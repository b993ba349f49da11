"""The audit's decision: which file of which patch is accepted, and which dates of a series are rejected."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.catalog.modalities import MODALITIES
from flairhub.errors import DataError, MissingFileError
from flairhub.facts.lists import is_among
from flairhub.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

NO_DATE_LEFT = "no_date_left"
"""Reason of a series all of whose dates were rejected."""


UNREADABLE = "unreadable"
"""Reason of a file with an error that no check dropped."""


@dataclass(slots=True)
class Decision:
    """Collects what the policies leave out, on a table of files (see `audit_tables.layer_tables`)."""

    layers: pd.DataFrame
    accepted: NDArray[np.bool_] = field(init=False)
    reasons: NDArray[np.object_] = field(init=False)
    _positions: list[NDArray[np.int64]] = field(default_factory=list)
    _dates: list[NDArray[np.int64]] = field(default_factory=list)
    _refusals: set[str] = field(default_factory=set)
    _lookup: dict[str, tuple[pd.Index, NDArray[np.int64]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.accepted = np.ones(len(self.layers), dtype=bool)
        self.reasons = np.full(len(self.layers), "", dtype=object)

    def drop_files(self, positions: NDArray[np.int64], reason: str) -> None:
        """Accept none of the files at these rows of `layers`."""
        self.accepted[positions] = False
        self._explain(positions, reason)

    def drop_patches(self, patch_ids: pd.Series, reason: str) -> None:
        """Accept no file of these patches."""
        self.drop_files(np.flatnonzero(is_among(self.layers["patch_id"], patch_ids)), reason)

    def drop_modalities(self, modalities: pd.Series, reason: str) -> None:
        """Accept no file of these modalities."""
        self.drop_files(np.flatnonzero(self.layers["modality"].isin(modalities).to_numpy()), reason)

    def drop_domains(self, rows: pd.DataFrame, reason: str) -> None:
        """Accept no file of these pairs of `modality` and `domain_year`."""
        pairs = pd.MultiIndex.from_frame(rows[["modality", "domain_year"]])
        mine = pd.MultiIndex.from_frame(self.layers[["modality", "domain_year"]])
        self.drop_files(np.flatnonzero(mine.isin(pairs)), reason)

    def drop_everything(self, reason: str) -> None:
        """Accept nothing; saying so twice for one reason counts once."""
        if reason not in self._refusals:
            self._refusals.add(reason)
            self.drop_files(np.arange(len(self.layers)), reason)

    def reject_dates(self, dates: pd.DataFrame, reason: str) -> None:
        """Reject dates of one archive.

        Args:
            dates: rows with `patch_id, modality, date_index`, all of one modality.
            reason: name of the check.
        """
        if dates.empty:
            return
        index, rows = self._rows(str(dates["modality"].iloc[0]))
        places = index.get_indexer(pd.Index(dates["patch_id"]))
        if (places < 0).any():
            patch = dates["patch_id"].to_numpy()[places < 0][0]
            raise DataError(f"Expected dates of files of the index, but {patch} has none; run the index stage again.")
        positions = rows[places]
        self._positions.append(positions)
        self._dates.append(dates["date_index"].to_numpy().astype(np.int64))
        self._explain(np.unique(positions), reason)

    def table(self) -> pa.Table:
        """One row per (patch_id, modality), sorted: `accepted, reasons, rejected_dates`.

        `reasons` names the checks that left something out, be it the file or some of its dates.
        """
        import pyarrow as pa

        lists = self._rejected()
        self._drop_empty_series(np.diff(lists.offsets.to_numpy()))
        table = pa.table(
            {
                "patch_id": pa.array(self.layers["patch_id"], pa.string()),
                "modality": pa.array(self.layers["modality"], pa.string()),
                "accepted": pa.array(self.accepted),
                "reasons": pa.array([text.rstrip(";") for text in self.reasons], pa.string()),
                "rejected_dates": lists,
            }
        )
        keys = self.layers[["patch_id", "modality"]]
        first = keys.drop_duplicates().sort_values(["patch_id", "modality"], kind="stable").index
        return table.take(pa.array(first.to_numpy()))

    def _explain(self, positions: NDArray[np.int64], reason: str) -> None:
        self.reasons[positions] = self.reasons[positions] + f"{reason};"

    def _rows(self, modality: str) -> tuple[pd.Index, NDArray[np.int64]]:
        """Patch ids of a modality and the rows of `layers` that they stand for (the first of duplicates)."""
        if modality not in self._lookup:
            rows = self.layers.loc[self.layers["modality"] == modality, "patch_id"].drop_duplicates()
            self._lookup[modality] = (pd.Index(rows.to_numpy()), rows.index.to_numpy())
        return self._lookup[modality]

    def _rejected(self) -> pa.ListArray:
        """Rejected dates per row of `layers`, ascending and without repeats."""
        import pyarrow as pa

        empty = np.empty(0, np.int64)
        pairs = np.stack([np.concatenate([empty, *self._positions]), np.concatenate([empty, *self._dates])])
        pairs = np.unique(pairs, axis=1)
        counts = np.bincount(pairs[0], minlength=len(self.layers))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(pairs[1].astype(np.int16)))

    def _drop_empty_series(self, rejected: NDArray[np.int32]) -> None:
        series = self.layers["modality"].map({n: m.kind == "series" for n, m in MODALITIES.items()}).to_numpy(bool)
        dates = self.layers["num_dates"].fillna(0).to_numpy()
        self.drop_files(np.flatnonzero(series & (rejected > 0) & (rejected >= dates)), NO_DATE_LEFT)


def write_valid(path: Path, table: pa.Table) -> None:
    """Write the table of accepted files."""
    import pyarrow.parquet as pq

    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_valid(path: Path) -> pd.DataFrame:
    """Read `valid.parquet`: `patch_id, modality, accepted, reasons, rejected_dates` (int16 arrays).

    Raises:
        MissingFileError: the audit has not run.
    """
    import pyarrow.parquet as pq

    if not path.is_file():
        raise MissingFileError(f"Expected the audit's table of accepted files at {path}, but there is none; run it.")
    frame: pd.DataFrame = pq.read_table(path).to_pandas()
    return frame
