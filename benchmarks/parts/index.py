"""The index against decoding the same files, start of Python included; and two processes against one."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import drawn
from measured import Measurement, compared, cpu_of, in_turns, seconds

from flairhub.catalog.names import parse_archive
from flairhub.lineage.keys import file_sha256
from flairhub.records.manifest import ArchiveEntry, Manifest, write_manifest

BUILD = """
import sys
from pathlib import Path
from flairhub.compute.executors import open_executor
from flairhub.config.inputs import CloudFilter
from flairhub.config.runtime import RuntimeSettings
from flairhub.facts.index import build_index
from flairhub.records.manifest import read_manifest
root, folder, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
limits = CloudFilter(enabled=True, max_cloud=1, max_snow=1, max_fraction_covered=0.05)
if __name__ == "__main__":
    with open_executor(RuntimeSettings(workers=workers)) as executor:
        build_index(read_manifest(root / "manifest.json"), folder, root / "index", filter=limits, cache=root / "parts",
                    code="", executor=executor)
"""
DECODE = """
import sys, rasterio
from pathlib import Path
for path in Path(sys.argv[1]).rglob("*.tif"):
    with rasterio.open(path) as raster:
        raster.read()
"""
LARGE = 2000
"""Patches of the one large archive, 1.4 GB; a published one of aerial images has 3,258 on average."""


def index(data: drawn.Drawn, rounds: int = 3) -> Measurement:
    """60 patches of ten layers, one process, processor time."""
    count = sum(1 for _ in data.files.rglob("*.tif"))
    with tempfile.TemporaryDirectory() as name:
        build = _build(Path(name), data.folder, 1)
        decode = [sys.executable, "-c", DECODE, str(data.files)]
        pairs = in_turns(lambda: count / build(cpu_of), lambda: count / cpu_of(decode, data.files), rounds)
    return compared(pairs, unit="files/CPU s", against="a bare rasterio loop over the same files", goal=">= 0.75")


def index_2(data: drawn.Drawn, rounds: int = 2) -> Measurement:
    """One large archive of aerial patches by two processes, wall clock: says little on a busy machine."""
    name = next(path.stem for path in sorted(data.folder.glob("*_AERIAL_RGBI.zip")))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "archives"
        folder.mkdir()
        members = sorted((data.files / name).rglob("*.tif"))
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for number in range(LARGE):
                source = members[number % len(members)]
                roi = f"AA-S1-{number // 8 + 1}"
                archive.write(source, f"{name}/{roi}/{name}_{roi}_{number % 8 + 1}-1.tif")
        one, two = (_build(Path(place) / str(workers), folder, workers) for workers in (1, 2))
        pairs = in_turns(lambda: LARGE / two(_wall), lambda: LARGE / one(_wall), rounds)
    return compared(pairs, unit="files/s", against="one process", goal=">= 1.7")


def _build(root: Path, folder: Path, workers: int) -> Callable[[Callable[..., float]], float]:
    """A clean build, measured."""
    root.mkdir(parents=True, exist_ok=True)
    archives = tuple(
        ArchiveEntry(name=path.stem, kind="zip", size=path.stat().st_size, sha256=file_sha256(path), revision=None)
        for path in sorted(folder.glob("*.zip"))
        if parse_archive(path.stem) is not None or path.stem.startswith("GLOBAL")
    )
    write_manifest(root / "manifest.json", Manifest(source={"kind": "local"}, archives=archives))
    script = root / "build.py"
    script.write_text(BUILD)

    def measured(clock: Callable[..., float]) -> float:
        for each in ("parts", "index"):
            shutil.rmtree(root / each, ignore_errors=True)
        command = [sys.executable, str(script), str(root), str(folder), str(workers)]
        return clock(command, root, {"PYTHONPATH": os.pathsep.join([str(drawn.ROOT / "src")])})

    return measured


def _wall(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    return seconds(lambda: cpu_of(command, folder, environment))
