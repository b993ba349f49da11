"""What changes from one version of the data to another: archives, patches, splits, statistics, and rows.

Where both versions are recorded, results are compared. Where the later one has not run, its archives are known from the
source, and what follows from them is said as far as it does; nothing runs, and no pixel is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import HISTORICAL_YEAR, ArchiveName, parse_archive
from flairhub.config.params import Params
from flairhub.config.resolve import row_recipe
from flairhub.records.inputs import row_layers
from flairhub.splits.table import SPLITS, read_split_table
from flairhub.versions.version import DataVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What is new, gone and other; sorted."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[str]:
        """Every name."""
        return frozenset((*self.added, *self.removed, *self.changed))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDiff:
    """The difference; None: known only when the stage named has run."""

    archives: Names | None
    """pull."""
    patches: dict[str, Names] | None
    """index: layer -> patches; changed: with other bytes."""
    splits: dict[str, Names] | None
    """split: split -> patches that come and go; changed: those that come from another split."""
    statistics: dict[str, float] | None
    """stats: `<MODALITY>.<BAND>` -> shift of the mean, in standard deviations of the earlier version; infinite where a
    band has statistics in one version only. Bands without a change are left out."""
    rows: Names
    """added and removed: as in params.yaml; changed: rows that read other data, or are made otherwise."""


def diff(old: DataVersion, new: DataVersion) -> DataDiff:
    """Compare two versions.

    Raises:
        ConfigurationError: parameters of a version do not fit this code or its source.
        MissingFileError: a recorded file is in no cache.
        DownloadError: the Hub cannot be asked for the archives of a version.
    """
    archives = None
    if old.archives is not None and new.archives is not None:
        archives = compare(old.archives, new.archives)
    both = [stage for stage in ("index", "split", "stats", "resolve") if old.settled(stage) and new.settled(stage)]
    return DataDiff(
        archives=archives,
        patches=_patches(old, new) if "index" in both else None,
        splits=_splits(old, new) if "split" in both else None,
        statistics=_statistics(old, new) if "stats" in both else None,
        rows=_recorded_rows(old, new) if "resolve" in both else _expected_rows(old, new, archives),
    )


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Names:
    """Names by what became of their values; a value of None counts as another one.

    >>> compare({"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": 5})
    Names(added=('d',), removed=('a',), changed=('c',))
    """
    return Names(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(sorted(name for name in old.keys() & new.keys() if old[name] != new[name] or new[name] is None)),
    )


def _patches(old: DataVersion, new: DataVersion) -> dict[str, Names]:
    """Only parts that differ are read."""
    differing = compare(old.fact_parts(), new.fact_parts())
    layers: dict[str, tuple[dict[str, int], dict[str, int]]] = {}
    for side, version, gone in ((0, old, differing.added), (1, new, differing.removed)):
        for archive in sorted(differing.all - set(gone)):
            name = parse_archive(archive)
            if name is not None:
                layers.setdefault(name.modality, ({}, {}))[side].update(_checksums(version, archive))
    differences = {layer: compare(*layers[layer]) for layer in MODALITIES if layer in layers}
    return {layer: names for layer, names in differences.items() if names.all}


def _checksums(version: DataVersion, archive: str) -> dict[str, int]:
    """Patch -> CRC-32 of its file."""
    import pyarrow.parquet as pq

    path = version.files.fetch(f"data/index/patches/{archive}.parquet")
    table = pq.ParquetFile(path).read(columns=["patch_id", "crc32"])
    return dict(zip(table.column("patch_id").to_pylist(), table.column("crc32").to_pylist(), strict=True))


def _splits(old: DataVersion, new: DataVersion) -> dict[str, Names]:
    before, after = ({split: _split(version, split) for split in SPLITS} for version in (old, new))
    known = frozenset().union(*before.values())
    return {
        split: Names(
            added=tuple(sorted(after[split] - known)),
            removed=tuple(sorted(before[split] - after[split])),
            changed=tuple(sorted((after[split] - before[split]) & known)),
        )
        for split in SPLITS
    }


def _split(version: DataVersion, split: str) -> frozenset[str]:
    return frozenset(read_split_table(version.files.fetch(f"data/splits/{split}.csv")))


def _statistics(old: DataVersion, new: DataVersion) -> dict[str, float]:
    before, after = _bands(old), _bands(new)
    differing = compare(before, after)
    shifts = {}
    for name in sorted(differing.all):
        one, other = before.get(name), after.get(name)
        known = one is not None and other is not None and None not in {*one, *other} and one[1]
        shifts[name] = abs(other[0] - one[0]) / one[1] if known and one and other else float("inf")
    return shifts


def _bands(version: DataVersion) -> dict[str, tuple[Any, Any]]:
    """Band -> mean and standard deviation."""
    bands = {}
    for name in version.files.names("data/stats"):
        content = json.loads(version.files.fetch(f"data/stats/{name}").read_text(encoding="utf-8"))
        for band, values in content["bands"].items():
            bands[f"{Path(name).stem}.{band}"] = (values["mean"], values["std"])
    return bands


def _recorded_rows(old: DataVersion, new: DataVersion) -> Names:
    before, after = ({row: version.row_inputs(row) for row in version.plain["rows"]} for version in (old, new))
    return compare(before, after)


def _expected_rows(old: DataVersion, new: DataVersion, archives: Names | None) -> Names:
    """Rows that read an archive that changes, or are made otherwise, or whose splits and facts are."""
    named = compare(dict.fromkeys(old.params.rows, 0), dict.fromkeys(new.params.rows, 0))
    common = [row for row in new.params.rows if row in old.params.rows]
    everything = archives is None or _facts_params(old.params) != _facts_params(new.params)
    changed = _parsed(() if archives is None else archives.all)
    stale = [
        row
        for row in common
        if everything
        or row_recipe(old.params, row) != row_recipe(new.params, row)
        or old.params.rows[row].domains != new.params.rows[row].domains
        or any(_reads(new.params, row, archive) for archive in changed)
    ]
    return Names(added=named.added, removed=named.removed, changed=tuple(sorted(stale)))


def _facts_params(params: Params) -> tuple[Any, ...]:
    """What decides, beside archives, which patches and dates there are."""
    subset = params.data.subset
    draw = (subset.rois, subset.seed) if subset.rois < 1 else None
    return (draw, params.audit, params.split, params.stats, params.preprocessing.filter_sentinel2)


def _parsed(archives: Iterable[str]) -> list[ArchiveName | None]:
    return [parse_archive(name) for name in sorted(archives)]


def _reads(params: Params, row: str, archive: ArchiveName | None) -> bool:
    """Whether a row reads an archive; that of the metadata (None) has the dates and splits of all."""
    if archive is None:
        return True
    domains = params.rows[row].domains
    if archive.modality not in row_layers(row_recipe(params, row)):
        return False
    if domains is None or f"{archive.domain}-{archive.year}" in domains:
        return True
    return archive.year == HISTORICAL_YEAR and any(name.startswith(f"{archive.domain}-") for name in domains)
