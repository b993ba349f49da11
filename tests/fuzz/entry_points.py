"""Fuzzing of what reads foreign bytes: zips, TIFFs, names, GeoPackages' dates. `make fuzz MINUTES=30`.

Atheris mutates a corpus of small real and drawn files. Anything but the package's own errors for users is a finding:
libFuzzer stops and leaves the input as `crash-*` in the folder of the corpus.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

with atheris.instrument_imports(include=["flairhub", "zipfile"]):
    from flairhub.archives.raster import read_array, read_raster
    from flairhub.archives.reader import PatchReader
    from flairhub.catalog.names import parse_archive, parse_file, parse_patch_id
    from flairhub.errors import FlairhubError
    from flairhub.facts.metadata import _parse
    from flairhub.facts.patch_facts import ClearRule, patch_facts
    from flairhub.facts.strays import described, strays
    from flairhub.sources.unpack import unpack

ARCHIVE = "D911-2020_AERIAL_RGBI"
MODALITIES = ("AERIAL_RGBI", "DEM_ELEV", "SENTINEL1-ASC_TS", "SENTINEL2_MSK-SC", "ALL_LABEL-LPIS")
RULE = ClearRule(max_cloud=1, max_snow=1)


def corpus(folder: Path) -> None:
    """The smallest archives of the real example, and their first members."""
    for path in sorted((ROOT / "data" / "examples" / "treesat").glob("D9*.zip"), key=lambda each: each.stat().st_size)[
        :6
    ]:
        with zipfile.ZipFile(path) as archive:
            first = archive.read(archive.namelist()[0])
        (folder / f"{path.stem}.tif").write_bytes(b"T" + first[:200_000])
        small = io.BytesIO()
        with zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{ARCHIVE}/FF-S1-1/{ARCHIVE}_FF-S1-1_1-1.tif", first[:4000])
            archive.writestr(f"{ARCHIVE}/FF-S1-1/{ARCHIVE}_FF-S1-1_1-2.tif", b"text")
        (folder / f"{path.stem}.zip").write_bytes(b"Z" + small.getvalue())
    (folder / "name").write_bytes(b"N" + f"{ARCHIVE}/FF-S1-1/{ARCHIVE}_FF-S1-1_1-1.tif".encode())
    (folder / "dates").write_bytes(b'D{"1": "20200101", "2": "20200132"}')


def tiff(data: bytes) -> None:
    for read in (read_array, read_raster):
        try:
            read(data)
        except FlairhubError:
            continue
    try:
        patch_facts(data, MODALITIES[len(data) % len(MODALITIES)], RULE)
    except FlairhubError:
        return


def zipped(data: bytes, folder: Path) -> None:
    path = folder / f"{ARCHIVE}.zip"
    path.write_bytes(data)
    reader = PatchReader(folder)
    try:
        for member in reader.members(ARCHIVE):
            strays([member.name], ARCHIVE)
            try:
                reader.read(ARCHIVE, member.name)
            except FlairhubError:
                continue
    except FlairhubError:
        pass
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        try:
            unpack(path, Path(inner) / "content")
        except FlairhubError:
            return


def text(data: bytes) -> None:
    name = data.decode("utf-8", errors="replace")
    parse_archive(name)
    parse_file(name)
    described(name, ARCHIVE)
    for read in (parse_patch_id, lambda each: _parse(each, "fuzz.gpkg")):
        try:
            read(name)
        except FlairhubError:
            continue


RUNS = 15_000
"""Inputs per process: a damaged TIFF leaves up to some 80 KB in native libraries, which would end a long run."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--folder", type=Path, default=ROOT / ".flairhub" / "fuzz")
    parser.add_argument("--once", action="store_true", help="in this process")
    arguments = parser.parse_args()
    seeds = arguments.folder / "corpus"
    if arguments.once:
        fuzz(arguments.folder, seeds, arguments.minutes)
        return 0
    seeds.mkdir(parents=True, exist_ok=True)
    corpus(seeds)
    end = time.monotonic() + 60 * arguments.minutes
    while (left := end - time.monotonic()) > 0:
        words = ["--once", "--minutes", str(left / 60), "--folder", str(arguments.folder)]
        status = subprocess.run([sys.executable, __file__, *words], check=False).returncode
        if status:
            return status
    return 0


def fuzz(folder: Path, seeds: Path, minutes: float) -> None:
    scratch = Path(tempfile.mkdtemp(prefix="flairhub-fuzz-"))

    def one(data: bytes) -> None:
        kind, rest = data[:1], data[1:]
        if kind == b"Z":
            zipped(rest, scratch)
        elif kind == b"T":
            tiff(rest)
        else:
            text(rest)

    os.chdir(folder)
    limits = [f"-max_total_time={max(1, int(minutes * 60))}", f"-runs={RUNS}", "-rss_limit_mb=3000", "-timeout=30"]
    atheris.Setup([sys.argv[0], str(seeds), *limits, "-max_len=300000", "-print_final_stats=1"], one)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
