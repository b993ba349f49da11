"""Reading patches in place, out of zips, against reading the same files extracted: the ratio of their rates.

    python benchmarks/reading.py [--patches 400] [--rounds 7]

The same bytes lie as a zip of stored members, as a zip of deflated ones and as a folder, all in the page cache. The
three are read alternately in one process, in one shuffled order, so that a busy machine slows all alike; a figure is
the ratio of medians of CPU time. As in a loader every file is held against the checksum that the index has of it;
`bytes` is the reader alone, `pixels` decodes as well.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from flairhub.archives.raster import read_array
from flairhub.archives.reader import PatchReader
from flairhub.catalog.modalities import MODALITIES

LAYERS = ("AERIAL_RGBI", "SENTINEL2_TS")
DATES = 91


def geotiff(layer: str, seed: int) -> bytes:
    """A file of the layer's published size: smooth ground with noise, uncompressed."""
    info, rng = MODALITIES[layer], np.random.default_rng(seed)
    bands = len(info.bands) * (DATES if info.is_series else 1)
    coarse = rng.uniform(20, 200, (bands, 8, 8)).repeat(info.size_px // 8 + 1, 1).repeat(info.size_px // 8 + 1, 2)
    pixels = coarse[:, : info.size_px, : info.size_px] + rng.normal(0, 6, (bands, info.size_px, info.size_px))
    side = 102.4 / info.size_px
    profile = {"driver": "GTiff", "count": bands, "height": info.size_px, "width": info.size_px, "dtype": info.dtype}
    with MemoryFile() as memory:
        with memory.open(**profile, crs="EPSG:2154", transform=from_origin(1e6, 6.3e6, side, side)) as target:
            target.write(pixels.clip(0, 255).astype(info.dtype))
        return bytes(memory.getbuffer())


def write(root: Path, layer: str, patches: int) -> list[tuple[str, int]]:
    """The three forms of one archive; returns its members with their CRC-32."""
    archive = f"D012-2019_{layer}"
    files = {f"{archive}/AF-S1-1/{archive}_AF-S1-1_{n + 1}-1.tif": geotiff(layer, n) for n in range(patches)}
    for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        (root / name).mkdir(parents=True)
        with zipfile.ZipFile(root / name / f"{archive}.zip", "w", method) as target:
            for member, data in files.items():
                target.writestr(member, data)
    for member, data in files.items():
        path = root / "extracted" / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return [(member, zlib.crc32(data)) for member, data in files.items()]


def cpu_seconds(reader: PatchReader, archive: str, members: list[tuple[str, int]], *, decode: bool) -> float:
    start = time.process_time()
    for member, crc32 in members:
        data = reader.read(archive, member, crc32)
        if decode:
            read_array(data)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    for layer in LAYERS:
        with tempfile.TemporaryDirectory() as folder:
            members = write(Path(folder), layer, arguments.patches)
            random.Random(0).shuffle(members)
            readers = {name: PatchReader(Path(folder, name)) for name in ("stored", "deflated", "extracted")}
            for decode in (False, True):
                times: dict[str, list[float]] = {name: [] for name in readers}
                for _ in range(arguments.rounds + 1):
                    for name, reader in readers.items():
                        times[name].append(cpu_seconds(reader, f"D012-2019_{layer}", members, decode=decode))
                medians = {name: statistics.median(values[1:]) for name, values in times.items()}
                ratios = {name: medians["extracted"] / medians[name] for name in ("stored", "deflated")}
                rate = len(members) / medians["stored"]
                print(
                    f"{layer} {'pixels' if decode else 'bytes'}: stored {ratios['stored']:.2f}, deflated "
                    f"{ratios['deflated']:.2f} of extracted; {rate:.0f} stored patches per CPU second"
                )


if __name__ == "__main__":
    main()
