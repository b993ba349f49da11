"""Zonal inference against what bounds it, alternately in one process, so that a busy machine slows both.

    python benchmarks/zonal.py network   # all told, and forward passes over as many tiles
    python benchmarks/zonal.py io        # without a network: our pipeline, and a plain loop over tiles
    python benchmarks/zonal.py memory    # peak memory for 4,096 and 16,384 pixels squared, without a network

Options: --side PX, --rounds N, --threads N.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import rasterio
import torch
from rasterio import Affine
from rasterio.windows import Window

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.config.model import ModelParams
from flairhub.models.build import build_network
from flairhub.models.network import NetworkOutput
from flairhub.models.published import published_model
from flairhub.weights.contract import ModalityContract, TaskContract, WeightsContract
from flairhub.zonal.job import Job
from flairhub.zonal.ledger import Ledger
from flairhub.zonal.model import Model, chosen_dates
from flairhub.zonal.outputs import Outputs, write_outputs
from flairhub.zonal.request import Request, Source
from flairhub.zonal.run import write_blocks
from flairhub.zonal.setup import prepare

TILE, MARGIN, BATCH = 512, 128, 4
CLASSES = taxonomy(COSIA)


class Nothing(torch.nn.Module):
    """Logits that are there already."""

    def __init__(self) -> None:
        super().__init__()
        self.still = torch.nn.Parameter(torch.zeros(1))
        self.logits = torch.randn(BATCH, CLASSES.num_classes, TILE, TILE)

    def forward(self, inputs, dates, valid, size):  # noqa: ANN001, ANN201, ARG002 - as the networks are called
        return NetworkOutput({COSIA: self.logits[: len(inputs["AERIAL_RGBI"])]})


def contract() -> WeightsContract:
    from flairhub.config.inputs import CloudFilter, Preprocessing

    limits = CloudFilter(enabled=False, max_cloud=1, max_snow=1, max_fraction_covered=0.05)
    model: ModelParams = published_model("resnet18-unet")
    return WeightsContract(
        row="benchmark",
        row_key="",
        modalities={
            "AERIAL_RGBI": ModalityContract(
                bands=("R", "G", "B"), dtype="uint8", unit="", gsd_m=0.2, height=TILE, width=TILE,
                normalisation="custom", means=(127.0,) * 3, stds=(74.0,) * 3,
            )
        },
        tasks={COSIA: TaskContract(level=1, classes=CLASSES.classes, scored=CLASSES.scored)},
        ref_date="05-15",
        model=model.model_dump(mode="json"),
        preprocessing=Preprocessing(
            calc_elevation=False, calc_elevation_stack_dsm=False, filter_sentinel2=limits,
            temporal_average_sentinel2=None, temporal_average_sentinel1=None, max_dates=None,
        ).model_dump(mode="json"),
        data_sha256="",
        code_sha256="",
    )  # fmt: skip


def draw(path: Path, side: int) -> Path:
    rng = np.random.default_rng(0)
    where = Affine(0.2, 0, 7e5, 0, -0.2, 6.6e6)
    options = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "lzw", "photometric": "minisblack"}
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=side, width=side, dtype="uint8", crs="EPSG:2154", transform=where,
        **options,
    ) as raster:  # fmt: skip
        for row in range(0, side, 1024):
            coarse = rng.integers(0, 255, (3, 128, side // 8)).astype(np.uint8)
            raster.write(coarse.repeat(8, 1).repeat(8, 2), window=Window(0, row, side, 1024))
    return path


def job_of(raster: Path, folder: Path) -> Job:
    request = Request(
        sources=(Source(modality="AERIAL_RGBI", paths=(str(raster),)),), tile=TILE, margin=MARGIN, batch_size=BATCH
    )
    return prepare(request, Path("none"), "", contract(), folder / "scratch").job


def ours(job: Job, network: torch.nn.Module, folder: Path) -> float:
    model = Model(network=network, preprocessor=chosen_dates(job.contract), num_classes={COSIA: CLASSES.num_classes})
    ledger = Ledger(folder / "out", job.key())
    start = time.perf_counter()
    with ledger.open(restart=True):
        write_blocks(job, model, list(job.tiling.blocks(job.cores)), ledger.folder, ledger.note)
        list(write_outputs(job, ledger, folder / "out", Outputs()))
        ledger.clear()
    return time.perf_counter() - start


def plain(job: Job, folder: Path) -> float:
    """Tile after tile: read beyond the border with zeros, normalise, crop, choose, write, as the reference does."""
    stride = TILE - 2 * MARGIN
    logits = np.random.default_rng(0).normal(size=(CLASSES.num_classes, TILE, TILE)).astype(np.float32)
    start = time.perf_counter()
    with rasterio.open(job.inputs["AERIAL_RGBI"][0].path) as source:
        profile = source.profile | {"count": 1, "compress": "lzw"}
        with rasterio.open(folder / "plain.tif", "w", **profile) as target:
            for top in range(0, source.height, stride):
                for left in range(0, source.width, stride):
                    window = Window(left - MARGIN, top - MARGIN, TILE, TILE)
                    patch = source.read((1, 2, 3), window=window, boundless=True, fill_value=0).astype(np.float32)
                    torch.from_numpy((patch - 127) / 74)
                    torch.zeros((CLASSES.num_classes, TILE, TILE))  # its label of zeros
                    inner = logits[:, MARGIN : TILE - MARGIN, MARGIN : TILE - MARGIN]
                    shares = np.exp(inner - inner.max(axis=0))
                    classes = (shares / shares.sum(axis=0)).argmax(axis=0).astype(np.uint8)
                    height, width = min(stride, source.height - top), min(stride, source.width - left)
                    target.write(classes[:height, :width], 1, window=Window(left, top, width, height))
    return time.perf_counter() - start


@torch.inference_mode()
def bare(job: Job, network: torch.nn.Module) -> float:
    """Nothing but forward passes over as many tiles."""
    batch = {"AERIAL_RGBI": torch.randn(BATCH, 3, TILE, TILE)}
    count = -(-job.tiling.rows.count * job.tiling.columns.count // BATCH)
    start = time.perf_counter()
    for _ in range(count):
        network(batch, {}, {}, (TILE, TILE))
    return time.perf_counter() - start


def peak(side: int) -> int:
    """Peak memory of a run in a process of its own, bytes."""
    code = [sys.executable, __file__, "once", "--side", str(side)]
    process = subprocess.Popen(code, stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        try:
            most = max(most, psutil.Process(process.pid).memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.05)
    return most


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("io", "network", "memory", "once"))
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.what == "memory":
        small, large = peak(4096), peak(16384)
        print(f"peak {small / 2**20:.0f} MiB for 4,096 px, {large / 2**20:.0f} MiB for 16,384 px: {large / small:.3f}")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = job_of(draw(folder / "a.tif", arguments.side), folder)
        if arguments.what == "once":
            ours(job, Nothing(), folder)
            return
        network = Nothing() if arguments.what == "io" else build_network(job.contract.network_spec()).eval()
        ratios = []
        for _ in range(arguments.rounds):
            other = plain(job, folder) if arguments.what == "io" else bare(job, network)
            own = ours(job, network, folder)
            ratios.append(other / own)
            print(f"other {other:.2f} s, ours {own:.2f} s, ratio {other / own:.2f}", flush=True)
        print(f"median ratio {np.median(ratios):.2f}")


if __name__ == "__main__":
    main()
