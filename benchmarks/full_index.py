"""What audit, split, statistics and resolve cost on an index of the whole catalogue: 24 rows of the full profile.

The facts are those of a few drawn patches, repeated under the real names: 74 domain-years, 2,822 regions, five splits,
every date of every series (91 of Sentinel-2, 94 of each orbit of Sentinel-1; 88 million rows of dates at full size).

    python benchmarks/full_index.py [--patches 241100] [--dates 91] [--folder KEPT]

prints CPU seconds and peak memory of each stage.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from full_catalogue import REGIONS, ROOT, patch_ids

from flairhub.catalog.hub import hub_archives
from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES
from flairhub.catalog.names import archive_of, member_of, parse_archive, parse_patch_id
from flairhub.compute.executors import open_executor
from flairhub.config.inputs import CloudFilter
from flairhub.config.pipeline import SampleParams
from flairhub.config.profiles import profile_text
from flairhub.config.runtime import RuntimeSettings
from flairhub.facts.index import build_index
from flairhub.facts.schemas import DATE_LISTS
from flairhub.lineage.keys import file_sha256
from flairhub.records.code import Fingerprint
from flairhub.records.index_summary import SUMMARY, ArchiveSummary, IndexSummary
from flairhub.records.manifest import ArchiveEntry, Manifest, write_manifest
from flairhub.sample.build import build_sample

STAGES = ("03_audit", "04_split", "05_stats", "06_resolve")
FILTER = CloudFilter(enabled=True, max_cloud=1, max_snow=1, max_fraction_covered=0.05)
SPLITS = 5
"""Columns of the official table."""


def drawn_index(folder: Path, dates: int) -> Path:
    """The index of a few drawn patches."""
    archives = folder / "archives"
    build_sample(
        SampleParams(
            seed=1, train_domains=2, test_domains=1, rois_per_domain=2, patches_per_roi=4, valid_share=0.5,
            aerial_px=64, dates=dates,
        ),
        archives,
    )  # fmt: skip
    entries = tuple(
        ArchiveEntry(name=path.stem, kind="zip", size=path.stat().st_size, sha256=file_sha256(path), revision=None)
        for path in sorted(archives.glob("*.zip"))
    )
    manifest = Manifest(source={"kind": "sample"}, archives=entries)
    with open_executor(RuntimeSettings(workers=1)) as executor:
        build_index(
            manifest, archives, folder / "index", filter=FILTER, cache=folder / "parts", code="", executor=executor
        )
    return folder / "index"


def table_of(index: Path, kind: str, layer: str) -> pa.Table | None:
    """Facts of a layer, of all drawn archives."""
    files = sorted((index / kind).glob(f"*_{layer}.parquet"))
    return pa.concat_tables([pq.read_table(path) for path in files]) if files else None


class Repeated:
    """Rows of a layer, repeated under other patches' names."""

    def __init__(self, index: Path, layer: str) -> None:
        self.layer = layer
        patches, dates = table_of(index, "patches", layer), table_of(index, "dates", layer)
        assert patches is not None
        self.patches, self.dates = patches, dates
        self.drawn = patches["patch_id"].to_pylist()
        if dates is not None:
            of = np.array(dates["patch_id"].to_pylist())
            self.rows = [np.flatnonzero(of == patch) for patch in self.drawn]

    def write(self, folder: Path, archive: str, ids: list[str], rng: np.random.Generator) -> None:
        number = len(ids)
        which = np.arange(number) % len(self.drawn)
        table = self.patches.take(pa.array(which))
        parsed = [parse_patch_id(patch) for patch in ids]
        left = np.array([int(p.domain[1:4]) * 1e6 + int(p.roi.split("-")[-1]) * 1e4 + p.i * 102.4 for p in parsed])
        new = {
            "patch_id": ids,
            "archive": [archive] * number,
            "member": [member_of(p, self.layer) for p in parsed],
            "crc32": rng.integers(0, 2**32, number),
            "left": left,
            "right": left + 102.4,
            "bottom": np.zeros(number),
            "top": np.full(number, 102.4),
        }
        write(folder / "patches" / f"{archive}.parquet", replaced(table, new))
        if self.dates is None:
            return
        rows = np.concatenate([self.rows[each] for each in which])
        counts = [len(self.rows[each]) for each in which]
        years = np.repeat([str(p.year) for p in parsed], counts)
        table = self.dates.take(pa.array(rows))
        of_year = pc.replace_substring(pc.utf8_slice_codeunits(table["date"], 4), "0229", "0228")
        days = pc.binary_join_element_wise(pa.array(years), of_year, "")
        new = {"patch_id": np.repeat(ids, counts), "date": days}
        write(folder / "dates" / f"{archive}.parquet", replaced(table, new))


def replaced(table: pa.Table, columns: dict) -> pa.Table:
    for name, values in columns.items():
        field = table.schema.field(name)
        column = values if isinstance(values, pa.ChunkedArray) else pa.array(values, field.type)
        table = table.set_column(table.schema.get_field_index(name), field, column)
    return table


def write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")


def write_metadata(drawn: Path, folder: Path, ids: list[str]) -> None:
    """Dates of every region, as a drawn one has them, and five splits by domain."""
    known = pq.read_table(drawn / "metadata/dates.parquet").to_pylist()
    lists = {row["modality"]: json.loads(row["dates"]) for row in known}
    rows = [
        (
            series,
            roi,
            None,
            json.dumps(
                [None if day is None else roi.split("-")[1][:4] + day[4:].replace("0229", "0228") for day in days]
            ),
        )
        for roi in sorted({parse_patch_id(patch).roi_key for patch in ids})
        for series, days in lists.items()
    ]
    columns = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), DATE_LISTS, strict=True)]
    write(folder / "metadata/dates.parquet", pa.Table.from_arrays(columns, schema=DATE_LISTS))
    domains = sorted({patch.split("_")[0][:4] for patch in ids})
    names = {}
    for split in range(1, SPLITS + 1):
        part = {domain: (number + split) % 10 for number, domain in enumerate(domains)}
        of = [part[patch[:4]] for patch in ids]
        names[f"split_{split}"] = ["test" if each < 2 else "valid" if each == 2 else "train" for each in of]
    write(folder / "metadata/splits.parquet", pa.table({"patch_id": ids, **names}))


def write_index(root: Path, ids: list[str], dates: int) -> None:
    """`data/index`, and what stands before it."""
    rng = np.random.default_rng(0)
    folder = root / "data/index"
    summaries = {}
    with tempfile.TemporaryDirectory() as name:
        drawn = drawn_index(Path(name), dates)
        write_metadata(drawn, folder, ids)
        parsed = {patch: parse_patch_id(patch) for patch in ids}
        for layer in MODALITIES:
            repeated = Repeated(drawn, layer)
            by_archive: dict[str, list[str]] = {}
            for patch in ids:
                by_archive.setdefault(archive_of(parsed[patch], layer), []).append(patch)
            for archive, patches in by_archive.items():
                repeated.write(folder, archive, patches, rng)
                summaries[archive] = ArchiveSummary(patches=len(patches), errors=0, ignored=0, ignored_examples=())
    summaries[METADATA_ARCHIVE] = ArchiveSummary(patches=0, errors=0, ignored=0, ignored_examples=())
    IndexSummary(archives=summaries).write(folder / SUMMARY)
    entries = tuple(
        ArchiveEntry(name=name, kind="zip", size=1, sha256=sha256, revision=None)
        for name, sha256 in sorted(hub_archives().items())
        if name in summaries or parse_archive(name) is None
    )
    write_manifest(root / "data/manifest.json", Manifest(source={"kind": "huggingface"}, archives=entries))
    for stage in STAGES:
        code = stage.split("_")[1]
        Fingerprint(stage=code, sha256="0", parts={}).write(root / f"data/code/{code}.json")


def measured(stage: str, root: Path) -> tuple[float, float]:
    """CPU seconds and peak memory, GiB, of a stage."""
    environment = os.environ | {"FLAIRHUB_PROGRESS": "false"}
    process = subprocess.Popen([sys.executable, str(ROOT / f"stages/{stage}.py")], cwd=root, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{stage} ended with status {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=241_100)
    parser.add_argument("--dates", type=int, default=91, help="of each series")
    parser.add_argument("--folder", type=Path, help="where the index is kept, and found again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = arguments.folder or Path(name)
        if not (root / "data/index" / SUMMARY).is_file():
            write_index(root, patch_ids(arguments.patches), arguments.dates)
        offline = "model.mono.encoder_weights=null"  # ImageNet's would be fetched
        (root / "params.yaml").write_text(profile_text(ROOT / "profiles", "full", sets=[offline]))
        total = 0.0
        for stage in STAGES:
            cpu, memory = measured(stage, root)
            total += cpu
            print(f"{stage}: {cpu:.1f} CPU s, peak {memory:.2f} GiB", flush=True)
        print(f"together: {total:.1f} CPU s, {arguments.patches:,} patches of {REGIONS:,} regions")


if __name__ == "__main__":
    main()
