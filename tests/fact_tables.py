"""Tables of facts written from arrays by brute force, independently of the index stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flairhub.archives.checksums import Checksums
from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.value_ranges import PLAUSIBLE
from flairhub.config.inputs import CloudFilter
from flairhub.facts.index import build_index
from flairhub.facts.schemas import DATES, PATCHES
from flairhub.records.index_summary import SUMMARY, ArchiveSummary, IndexSummary
from flairhub.records.patches import Shared
from flairhub.rows.accepted import LayerFacts
from flairhub.sources.local import local_manifest
from flairhub.sources.wanted_archives import Selection

EDGES = ("left", "bottom", "right", "top")
FILTER = CloudFilter(enabled=True, max_cloud=1, max_snow=1, max_fraction_covered=0.05)


def index_archives(
    folder: Path, root: Path, name: str = "index", selection: Selection | None = None, **options: Any
) -> Path:
    """Index the archives of a folder into `root`; returns the folder of the index."""
    manifest = local_manifest(folder, selection or Selection(), Checksums(root / "v.sqlite"))
    settings = {"filter": FILTER, "cache": root / "cache", "code": "c", **options}
    build_index(manifest, folder, root / name, **settings)
    return root / name


def moments(bands: list[np.ndarray]) -> dict[str, list[float]]:
    """Two-pass moments of the given values of each band."""
    out: dict[str, list[float]] = {f"band_{k}": [] for k in ("n", "mean", "m2", "min", "max", "zero")}
    for values in bands:
        counted = np.asarray(values, np.float64).ravel()
        counted = counted[np.isfinite(counted)]
        mean = counted.mean() if counted.size else 0.0
        out["band_n"].append(int(counted.size))
        out["band_mean"].append(float(mean))
        out["band_m2"].append(float(((counted - mean) ** 2).sum()))
        out["band_min"].append(float(counted.min()) if counted.size else float("nan"))
        out["band_max"].append(float(counted.max()) if counted.size else float("nan"))
        out["band_zero"].append(int((counted == 0).sum()))
    return out


def implausible(modality: str, bands: list[np.ndarray]) -> int:
    """Values outside the plausible ranges."""
    ranges = PLAUSIBLE.get(modality, {}).values()
    pairs = zip(bands, ranges, strict=False)
    return sum(int(((band < known.low) | (band > known.high)).sum()) for band, known in pairs)


class Facts:
    """Collects patches as arrays and writes the index folder that they would give."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrays: dict[tuple[str, str], np.ndarray] = {}
        self.dates: dict[tuple[str, str], list[str | None]] = {}
        self._patches: dict[str, list[dict[str, Any]]] = {}
        self._dates: dict[str, list[dict[str, Any]]] = {}
        self._splits: pd.DataFrame | None = None

    def add(self, patch: str, modality: str, array: np.ndarray, *, dates: Any = None, **changes: Any) -> Facts:
        """Add one file. A series is [T, C, H, W], the rest [C, H, W]; `changes` overwrite columns of the row."""
        info = MODALITIES[modality]
        parsed = parse_patch_id(patch)
        archive = archive_of(parsed, modality)
        self.arrays[patch, modality] = array
        stack = array.reshape(-1, *array.shape[-2:])
        bands = list(np.moveaxis(array, 1, 0)) if info.is_series else list(array)
        if modality == "DEM_ELEV":
            bands.append(array[0].astype(np.float64) - array[1])
        bands = [np.asarray(band) for band in bands]
        float_stack = stack.astype(np.float64)
        row = {
            "patch_id": patch,
            "modality": modality,
            "archive": archive,
            "member": member_of(parsed, modality),
            "offset": 0,
            "size": stack.nbytes,
            "method": 0,
            "crc32": len(self.arrays),
            "height": stack.shape[1],
            "width": stack.shape[2],
            "num_bands": stack.shape[0],
            "num_dates": array.shape[0] if info.is_series else 0,
            "num_metadata_dates": array.shape[0] if info.is_series else None,
            "dtype": str(array.dtype),
            "crs": "EPSG:2154",
            "nodata": None,
            "nodata_share": 0.0,
            "untagged_count": 0,
            "nan_share": float(1 - np.isfinite(float_stack).mean()),
            "zero_share": float((float_stack == 0).mean()),
            "implausible_count": implausible(modality, bands),
            **box(patch),
            **moments(bands),
            "label_counts": self._counts(array) if info.kind == "label" else None,
            "error": None,
        }
        unknown = set(changes) - set(row)
        assert not unknown, unknown
        row.update(changes)
        self._patches.setdefault(archive, []).append(row)
        if info.is_series:
            self._add_dates(patch, modality, archive, array, dates)
        return self

    def unreadable(self, patch: str, modality: str, error: str = "not a TIFF") -> Facts:
        """Add a file that could not be read."""
        parsed = parse_patch_id(patch)
        archive = archive_of(parsed, modality)
        row = dict.fromkeys(PATCHES.names) | {
            "patch_id": patch,
            "modality": modality,
            "archive": archive,
            "member": member_of(parsed, modality),
            "error": error,
        }
        self._patches.setdefault(archive, []).append(row)
        return self

    def splits(self, **columns: dict[str, str]) -> Facts:
        """Give the official split table: column -> patch -> split."""
        self._splits = pd.DataFrame(columns).rename_axis("patch_id").reset_index()
        return self

    def write(self) -> Path:
        """Write the index folder and return it."""
        for kind, schema, tables in (("patches", PATCHES, self._patches), ("dates", DATES, self._dates)):
            (self.folder / kind).mkdir(parents=True, exist_ok=True)
            for archive, rows in tables.items():
                ordered = sorted(rows, key=lambda row: row["patch_id"])
                pq.write_table(pa.Table.from_pylist(ordered, schema), self.folder / kind / f"{archive}.parquet")
        summaries = {name: summary(rows) for name, rows in self._patches.items()}
        IndexSummary(archives=summaries).write(self.folder / SUMMARY)
        if self._splits is not None:
            (self.folder / "metadata").mkdir(exist_ok=True)
            table = pa.Table.from_pandas(self._splits, preserve_index=False)
            pq.write_table(table, self.folder / "metadata" / "splits.parquet")
        return self.folder

    def _add_dates(self, patch: str, modality: str, archive: str, array: np.ndarray, dates: Any) -> None:
        days = (
            pd.date_range(f"{parse_patch_id(patch).year}-01-03", periods=len(array), freq="5D")
            .strftime("%Y%m%d")
            .tolist()
        )
        dates = days if dates is None else dates
        assert len(dates) == len(array)
        self.dates[patch, modality] = list(dates)
        for position, (day, values) in enumerate(zip(dates, array, strict=True)):
            clear = ((values[0] <= 1) & (values[1] <= 1)).mean() if MODALITIES[modality].kind == "mask" else None
            self._dates.setdefault(archive, []).append(
                {
                    "patch_id": patch,
                    "modality": modality,
                    "date_index": position,
                    "date": day,
                    "missing_count": int((~np.isfinite(values.astype(np.float64))).sum()),
                    "implausible_count": implausible(modality, list(values)),
                    "zero_count": int((values == 0).sum()),
                    "clear_share": None if clear is None else float(clear),
                    **moments(list(values)),
                }
            )

    @staticmethod
    def _counts(array: np.ndarray) -> list[int]:
        return np.concatenate([np.bincount(band.ravel(), minlength=256) for band in array]).tolist()


def summary(rows: list[dict[str, Any]]) -> ArchiveSummary:
    """What the index says of an archive with these rows and no other member."""
    errors = sum(row["error"] is not None for row in rows)
    return ArchiveSummary(patches=len(rows), errors=errors, ignored=0, ignored_examples=())


def box(patch: str) -> dict[str, float]:
    """A footprint of 102.4 m; neighbours in the grid of a ROI touch, ROIs and domains lie far apart."""
    parsed = parse_patch_id(patch)
    number = int("".join(c for c in parsed.roi.split("-")[-1] if c.isdigit()))
    left = int(parsed.domain[1:4]) * 100_000 + number * 10_000 + parsed.j * 102.4
    top = 6_500_000 - parsed.i * 102.4
    return dict(zip(EDGES, (left, top - 102.4, left + 102.4, top), strict=True))


def layer_facts(layer: str, patches: list[str], *, size: int | None = None, **columns: Any) -> LayerFacts:
    """Facts of one layer: files of one size, with two dates where the layer has any."""
    series = MODALITIES[layer].is_series
    side = np.full(len(patches), MODALITIES[layer].size_px if size is None else size)
    kind = MODALITIES[layer].kind
    classes = {1: 19} if layer == "AERIAL_LABEL-COSIA" else {1: 23, 2: 31, 3: 46}
    usual = {
        "label_counts": {k: np.full((len(patches), n), 5) for k, n in classes.items()} if kind == "label" else {},
        "crc32": np.full(len(patches), 7),
        "rejected": Shared.of([()] * len(patches)) if series else None,
        "dates": Shared.of([("20200101", "20200601")] * len(patches)) if kind == "series" else None,
    }
    return LayerFacts(
        ids=pd.Index(patches, dtype="str"),
        height=side,
        width=side,
        left=np.zeros(len(patches)),
        right=np.full(len(patches), 102.4),
        **(usual | columns),
    )


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return Facts(tmp_path / "index")


@pytest.fixture
def box_of():
    return box


@pytest.fixture
def valid_of():
    """A table of accepted files: everything, but for what is named."""

    def build(
        index: Path, *, refused: Any = (), rejected: dict[tuple[str, str], list[int]] | None = None
    ) -> pd.DataFrame:
        from flairhub.facts.tables import read_patches

        table = read_patches(index, None, ["patch_id", "modality"])
        keys = list(zip(table["patch_id"], table["modality"], strict=True))
        table["accepted"] = [key not in set(refused) and key[0] not in set(refused) for key in keys]
        table["reasons"] = ""
        table["rejected_dates"] = [np.array((rejected or {}).get(key, []), np.int16) for key in keys]
        return table

    return build
