"""What the stage `resolve` costs on the whole catalogue: 241,100 patches of ten layers, 24 rows of the full profile.

The facts are made up, without pixels: real names, 74 domain-years, 2,822 regions, calendars of the published lengths.

    python benchmarks/full_catalogue.py [--patches 241100]

prints CPU seconds, memory and size of a first run, and of one that differs in a learning rate.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flairhub.catalog.hub import hub_archives
from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import archive_of, parse_archive, parse_patch_id
from flairhub.config.profiles import profile_text
from flairhub.facts.schemas import DATE_LISTS, PATCHES
from flairhub.records.code import Fingerprint
from flairhub.records.manifest import ArchiveEntry, Manifest, write_manifest

ROOT = Path(__file__).resolve().parents[1]
REGIONS = 2822
DATES = {"SENTINEL2_TS": 91, "SENTINEL1-ASC_TS": 94, "SENTINEL1-DESC_TS": 94}
EMPTY = {pa.string(): "", pa.float64(): 0.0}


def patch_ids(number: int) -> list[str]:
    """Ids over all domain-years, 2,822 regions of equal size."""
    archives = (parse_archive(name) for name in hub_archives())
    domains = sorted({f"{a.domain}-{a.year}" for a in archives if a and a.modality == "AERIAL_RGBI"})
    return sorted(
        f"{domains[n % REGIONS % len(domains)]}_{'UANF'[n % 4]}A-S1-{n % REGIONS + 1}_{n // REGIONS + 1}-1"
        for n in range(number)
    )


def write_facts(root: Path, ids: list[str]) -> None:
    rng = np.random.default_rng(0)
    by_archive: dict[tuple[str, str], list[str]] = {}
    for layer in MODALITIES:
        for patch in ids:
            by_archive.setdefault((archive_of(parse_patch_id(patch), layer), layer), []).append(patch)
    for (archive, layer), patches in by_archive.items():
        side = MODALITIES[layer].size_px
        series = layer if layer in DATES else "SENTINEL2_TS"
        known = {
            "patch_id": patches,
            "modality": [layer] * len(patches),
            "archive": [archive] * len(patches),
            "member": patches,
            "crc32": rng.integers(0, 2**32, len(patches)),
            "height": [side] * len(patches),
            "width": [side] * len(patches),
            "num_dates": [DATES[series] if MODALITIES[layer].is_series else 0] * len(patches),
            "left": np.zeros(len(patches)),
            "right": np.full(len(patches), 102.4),
        }
        if MODALITIES[layer].kind == "label":  # every value as often as any other
            known["label_counts"] = [[1] * (256 * len(MODALITIES[layer].bands))] * len(patches)
        columns = [
            pa.array(known[field.name], field.type) if field.name in known else pa.nulls(len(patches), field.type)
            for field in PATCHES
        ]
        path = root / "data/index/patches" / f"{archive}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_arrays(columns, schema=PATCHES), path)
    write_calendars(root, ids)


def write_calendars(root: Path, ids: list[str]) -> None:
    rng = np.random.default_rng(1)
    rows = []
    for roi in sorted({parse_patch_id(patch).roi_key for patch in ids}):
        for series, count in DATES.items():
            days = np.sort(rng.choice(np.arange(365), count, replace=False))
            dates = [str(np.datetime64("2021-01-01") + day).replace("-", "") for day in days]
            rows.append((series, roi, None, json.dumps(dates)))
    path = root / "data/index/metadata/dates.parquet"
    path.parent.mkdir(parents=True)
    columns = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), DATE_LISTS, strict=True)]
    pq.write_table(pa.Table.from_arrays(columns, schema=DATE_LISTS), path)


def write_judgement(root: Path, ids: list[str]) -> None:
    """Everything accepted; a few dates of every series rejected; a split by domain."""
    layers = sorted(MODALITIES)
    rejected = [[n % 7] if MODALITIES[layer].is_series else [] for n in range(len(ids)) for layer in layers]
    table = pa.table(
        {
            "patch_id": [patch for patch in ids for _ in layers],
            "modality": layers * len(ids),
            "accepted": [True] * len(rejected),
            "reasons": [""] * len(rejected),
            "rejected_dates": pa.array(rejected, pa.list_(pa.int16())),
        }
    )
    path = root / "data/audit/valid.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table, path, compression="zstd")
    path.with_name("report.json").write_text(json.dumps({"checks": []}))
    (root / "data/splits").mkdir()
    for split, share in (("train", range(0, 16)), ("valid", range(16, 20)), ("test", range(20, 25))):
        kept = [patch for n, patch in enumerate(ids) if n % 25 in share]
        (root / "data/splits" / f"{split}.csv").write_text("\n".join(["patch_id", *kept]) + "\n")
    entries = tuple(
        ArchiveEntry(name=name, kind="zip", size=1, sha256=sha256, revision=None)
        for name, sha256 in sorted(hub_archives().items())
    )
    write_manifest(root / "data/manifest.json", Manifest(source={"kind": "huggingface"}, archives=entries))
    (root / "data/code").mkdir()
    Fingerprint(stage="resolve", sha256="0", parts={}).write(root / "data/code/resolve.json")


def resolve(root: Path) -> str:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"FLAIRHUB_PROGRESS": "false"}
    subprocess.run([sys.executable, str(ROOT / "stages/06_resolve.py")], cwd=root, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size = sum(path.stat().st_size for path in (root / "data/inputs").rglob("*") if path.is_file())
    return f"{cpu:.1f} CPU s, peak {after.ru_maxrss / 2**20:.2f} GiB, data/inputs {size / 1e6:.1f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=241_100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        ids = patch_ids(arguments.patches)
        write_facts(root, ids)
        write_judgement(root, ids)
        params = root / "params.yaml"
        offline = "model.mono.encoder_weights=null"  # ImageNet's would be fetched
        params.write_text(profile_text(ROOT / "profiles", "full", sets=[offline]))
        print("first: ", resolve(root))
        known = {path.name for path in (root / "data/inputs").rglob("*.parquet")}
        params.write_text(profile_text(ROOT / "profiles", "full", sets=[offline, "train.learning_rate=1e-4"]))
        subprocess.run(["rm", "-r", str(root / "data/inputs")], check=True)
        print("again: ", resolve(root))
        new = [path for path in (root / "data/inputs").rglob("*") if path.is_file() and path.name not in known]
        print(f"new in DVC's cache: {sum(path.stat().st_size for path in new) / 1e6:.2f} MB in {len(new)} files")


if __name__ == "__main__":
    main()
