"""What a configuration reads, as the inputs of a row: patches, checksums, dates, statistics."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from flairhub.archives.raster import read_raster
from flairhub.archives.reader import PatchReader
from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.config.recipe import Recipe
from flairhub.errors import DataError
from flairhub.facts.metadata import Calendar, read_metadata
from flairhub.files import sha256_text
from flairhub.records.inputs import RowInputs, row_layers
from flairhub.records.inputs_file import SPLITS, BandStatistics, SplitName
from flairhub.records.patches import Patches, Shared
from flairhub.reference.tables import PathTable

_READERS = 8


def build_inputs(
    recipe: Recipe, tables: Mapping[SplitName, PathTable], archives: Path, weights: Mapping[str, Any]
) -> RowInputs:
    """The inputs of a row that reads the patches of CSV files.

    Every file is read once for its checksum, unless it lies in a zip, which has it.

    Args:
        recipe: of the row.
        tables: split -> patches; a split that is missing is empty.
        archives: folder of the archives, with GLOBAL_ALL_MTD where the row has series.
        weights: what the inputs say of weights files, by field of `RowInputs`.

    Raises:
        MissingFileError: a file of a patch, or the dates, are not there.
        DataError: a file is no raster, or a patch has no dates.
    """
    reader, layers = PatchReader(archives), row_layers(recipe)
    series = [name for name in recipe.modalities if MODALITIES[name].is_series]
    calendars = _calendars(reader, series)
    ids = {split: sorted(tables[split].ids) if split in tables else [] for split in SPLITS}
    sums = _checksums(reader, sorted(set().union(*ids.values())), layers)
    first = next(each[0] for each in ids.values() if each)
    rasters = {layer: _first(reader, first, layer) for layer in layers}
    return RowInputs(
        row=recipe.row,
        recipe=recipe,
        statistics=_statistics(recipe),
        sizes={layer: size for layer, (size, _) in rasters.items()},
        gsd_m={name: rasters[name][1] for name in recipe.modalities},
        archives=_lineage(sums),
        splits={split: _patches(ids[split], layers, series, calendars, sums) for split in SPLITS},
        **weights,
    )


_Sums = dict[tuple[str, str], tuple[str, int]]
"""(patch id, layer) -> member and CRC-32."""


def _checksums(reader: PatchReader, ids: Sequence[str], layers: Sequence[str]) -> _Sums:
    recorded: dict[str, dict[str, int | None]] = {}
    wanted = [(patch_id, layer, parse_patch_id(patch_id)) for patch_id in ids for layer in layers]
    for _, layer, patch in wanted:
        archive = archive_of(patch, layer)
        if archive not in recorded and reader.kind(archive) == "zip":
            recorded[archive] = {member.name: member.crc32 for member in reader.members(archive)}

    def one(item: tuple[str, str, object]) -> tuple[str, int]:
        patch, layer = parse_patch_id(item[0]), item[1]
        archive, member = archive_of(patch, layer), member_of(patch, layer)
        known = recorded.get(archive, {}).get(member)
        return member, zlib.crc32(reader.read(archive, member)) if known is None else known

    with ThreadPoolExecutor(_READERS) as pool:
        return {item[:2]: found for item, found in zip(wanted, pool.map(one, wanted), strict=True)}


def _lineage(sums: _Sums) -> dict[str, str]:
    """Archive -> SHA-256 over the lines `<member> <CRC-32>` of what the row reads of it."""
    lines: dict[str, list[str]] = {}
    for member, crc32 in sums.values():
        lines.setdefault(member.split("/")[0], []).append(f"{member} {crc32:08x}\n")
    return {archive: sha256_text("".join(sorted(found))) for archive, found in sorted(lines.items())}


def _first(reader: PatchReader, patch_id: str, layer: str) -> tuple[tuple[int, int], float]:
    """Height and width, and the ground sampling distance, of a patch's file."""
    patch = parse_patch_id(patch_id)
    archive, member = archive_of(patch, layer), member_of(patch, layer)
    try:
        raster = read_raster(reader.read(archive, member))
    except DataError as error:
        raise DataError(f"{archive}: {member}: {error}") from None
    height, width = raster.array.shape[-2:]
    left, _, right, _ = raster.bounds
    return (int(height), int(width)), round(abs(right - left) / width, 6)


def _calendars(reader: PatchReader, series: Sequence[str]) -> Mapping[str, Calendar]:
    if not series:
        return {}
    found = read_metadata(reader).calendars
    for name in series:
        if name not in found:
            raise DataError(
                f"paths.global_mtd_folder: expected {MODALITIES[name].dates_file} with the dates of {name}, but the "
                "folder has not got it."
            )
    return found


def _patches(
    ids: Sequence[str],
    layers: Iterable[str],
    series: Sequence[str],
    calendars: Mapping[str, Calendar],
    sums: _Sums,
) -> Patches:
    return Patches(
        ids=np.array(ids, dtype=np.str_),
        crc32={layer: np.array([sums[patch, layer][1] for patch in ids], dtype=np.int64) for layer in layers},
        dates={name: Shared.of([_dates(calendars[name], patch, name) for patch in ids]) for name in series},
        rejected={name: Shared.of([()] * len(ids)) for name in series},
    )


def _dates(calendar: Calendar, patch_id: str, series: str) -> tuple[str, ...]:
    found = calendar.of(patch_id)
    if found is None:
        raise DataError(
            f"{patch_id}: expected dates of {series} in {MODALITIES[series].dates_file} of paths.global_mtd_folder, "
            "but it has none."
        )
    return tuple(day or "" for day in found)


def _statistics(recipe: Recipe) -> dict[str, dict[str, BandStatistics]]:
    """The explicit moments of a recipe."""
    found = {}
    for name, scale in recipe.normalisation.items():
        if scale.means is not None and scale.stds is not None:
            found[name] = {band: BandStatistics(mean=mean, std=scale.stds[band]) for band, mean in scale.means.items()}
    return found
