"""The index: one pass over the pixels of every archive, kept per piece and archive, assembled into a table."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from flairhub.archives.checksums import Checksums, verify_all
from flairhub.archives.reader import PatchReader
from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES
from flairhub.catalog.names import HISTORICAL_YEAR, ArchiveName, parse_archive
from flairhub.config.inputs import CloudFilter
from flairhub.errors import DataError
from flairhub.facts.draw import RoiDraw
from flairhub.facts.historical import Places, places_by_domain
from flairhub.facts.kept_parts import part_name, prune_parts
from flairhub.facts.metadata import Calendar, Metadata, read_metadata
from flairhub.facts.parts import DATES_PART, PATCHES_PART, SUMMARY_PART, PartTask, build_part, read_summary
from flairhub.facts.patch_facts import ClearRule
from flairhub.facts.pieces import CutTask, cut, join
from flairhub.files import canonical_json, sha256_text, share
from flairhub.locks import locked
from flairhub.records.index_summary import IndexSummary
from flairhub.records.manifest import ArchiveEntry, Manifest

INLINE_BYTES = 4 << 20
"""Below this many bytes of new archives, starting processes costs more than they save."""


def build_index(
    manifest: Manifest,
    folder: Path,
    destination: Path,
    *,
    filter: CloudFilter,  # noqa: A002 - named as in the parameters
    cache: Path,
    code: str,
    draw: RoiDraw | None = None,
    executor: Executor | None = None,
    checksums: Checksums | None = None,
    progress: bool = False,
) -> None:
    """Write the table of facts of a data version; the same bytes whatever the executor.

    Args:
        manifest: the data version.
        folder: folder that holds its archives.
        destination: `data/index`; gets `patches/`, `dates/`, `metadata/` and `summary.json`.
        filter: its thresholds say when a pixel of the cloud mask is clear.
        cache: folder that keeps the parts; a part is made once per archive bytes, code, dates and thresholds.
        code: fingerprint of the code that computes facts.
        draw: which regions are read; None: all.
        executor: runs the tasks, each a piece of an archive; None: this process does.
        checksums: cache of checksums; with it, the archives must have the manifest's bytes.
        progress: draw bars.

    Raises:
        MissingFileError: an archive of the manifest is not in the folder.
        IntegrityError: an archive has other bytes than the manifest states.
        DataError: the metadata is damaged, the manifest has no archive of patches, or the draw leaves no region. A
            damaged archive of patches raises nothing: its summary says what is wrong, and the audit judges it.
    """
    if checksums is not None:
        verify_all(manifest, manifest.names, folder, checksums, progress=progress)
    reader = PatchReader(folder)
    metadata = Metadata()
    if manifest.find(METADATA_ARCHIVE) is not None:
        metadata = read_metadata(reader)
    places = places_by_domain(manifest, reader, metadata.patch_ids)
    draw = draw or RoiDraw()
    rule = ClearRule(max_cloud=filter.max_cloud, max_snow=filter.max_snow)
    tasks: dict[str, PartTask] = {}
    for entry in manifest.archives:
        name = parse_archive(entry.name)
        if name is not None:
            tasks[entry.name] = _task(entry, name, folder, metadata, places, rule, draw, cache, code)
    if not tasks:
        raise DataError("Expected archives of patches in the manifest, but got none; correct data.subset.")
    sizes = {entry.name: entry.size for entry in manifest.archives}
    with locked(cache / "lock"):  # two builds would read the same archives, and one could delete the other's parts
        missing = [cut(task, sizes[name]) for name, task in tasks.items() if not task.target.is_dir()]
        _run(missing, executor, progress=progress)
        _require_patches(tasks.values(), draw)
        _assemble(tasks, metadata, destination)
        prune_parts(cache, [task.target for task in tasks.values()])


def _task(
    entry: ArchiveEntry,
    name: ArchiveName,
    folder: Path,
    metadata: Metadata,
    places: Mapping[str, Places],
    rule: ClearRule,
    draw: RoiDraw,
    cache: Path,
    code: str,
) -> PartTask:
    """The task of one archive; its target is named after everything that its facts depend on."""
    known: Places = dict(places[name.domain]) if name.year == HISTORICAL_YEAR else {}
    calendar = Calendar()
    if MODALITIES[name.modality].is_series and name.modality in metadata.calendars:
        calendar = metadata.calendars[name.modality].part({f"{name.domain}-{name.year}"})
    key = {
        "sha256": entry.sha256,
        "code": code,
        "calendar": asdict(calendar),
        "places": known,
        "rule": asdict(rule) if MODALITIES[name.modality].kind == "mask" else None,
        "draw": asdict(draw) if draw.share < 1 else None,
    }
    target = cache / part_name(entry.name, sha256_text(canonical_json(key)))
    return PartTask(
        folder=folder,
        archive=entry.name,
        rule=rule,
        calendar=calendar,
        places=known,
        target=target.absolute(),
        draw=draw,
    )


def _require_patches(tasks: Iterable[PartTask], draw: RoiDraw) -> None:
    if draw.share < 1 and not any(read_summary(task.target).patches for task in tasks):
        raise DataError(
            f"Expected regions of interest in a share of {draw.share:g}, but the draw with seed {draw.seed} leaves "
            "none; raise data.subset.rois."
        )


def _run(archives: Sequence[CutTask], executor: Executor | None, *, progress: bool) -> None:
    """Build the missing parts piece by piece, the largest pieces first, so that no long task is left for the end."""
    owners = {piece.target: archive for archive in archives for piece in archive.pieces}
    waiting = {archive.task.target: {piece.target for piece in archive.missing} for archive in archives}
    pieces = [piece for archive in archives for piece in archive.missing]
    pieces.sort(key=lambda piece: (-owners[piece.target].piece_bytes, str(piece.target)))
    total = sum(owners[piece.target].piece_bytes for piece in pieces)
    for archive in archives:
        if not waiting[archive.task.target]:
            join(archive)
    with tqdm(total=total, unit="B", unit_scale=True, desc="index", disable=not progress, leave=False) as bar:
        for target in _finished(pieces, executor if total >= INLINE_BYTES else None):
            archive = owners[target]
            waiting[archive.task.target].discard(target)
            if not waiting[archive.task.target]:
                join(archive)
            bar.update(archive.piece_bytes)


def _finished(tasks: Sequence[PartTask], executor: Executor | None) -> Iterator[Path]:
    """Targets as they get ready."""
    if executor is None:
        for task in tasks:
            yield build_part(task)
        return
    futures: list[Future[Path]] = [executor.submit(build_part, task) for task in tasks]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def _assemble(tasks: Mapping[str, PartTask], metadata: Metadata, destination: Path) -> None:
    """Gather the parts and write the metadata; what an earlier data version left behind goes."""
    import pyarrow.parquet as pq

    for name in ("patches", "dates", "metadata"):
        shutil.rmtree(destination / name, ignore_errors=True)
        (destination / name).mkdir(parents=True)
    for archive, task in tasks.items():
        share(task.target / PATCHES_PART, destination / "patches" / f"{archive}.parquet")
        if (task.target / DATES_PART).is_file():
            share(task.target / DATES_PART, destination / "dates" / f"{archive}.parquet")
    if metadata.splits is not None:
        pq.write_table(metadata.splits, destination / "metadata" / "splits.parquet", compression="zstd")
    if metadata.calendars:
        pq.write_table(metadata.date_lists(), destination / "metadata" / "dates.parquet", compression="zstd")
    summaries = {name: read_summary(task.target) for name, task in tasks.items()}
    IndexSummary(archives=summaries).write(destination / SUMMARY_PART)
