"""Zonal inference against what bounds it, alternately in one process, so that a busy machine slows both.

    python benchmarks/zonal.py network   # all told, and forward passes over as many tiles
    python benchmarks/zonal.py io        # without a network: all told, and the reference's loop over tiles
    python benchmarks/zonal.py memory    # peak memory for 4,096 and 16,384 pixels squared, without a network

Options: --side PX (any), --rounds N, --threads N. Processor time of more than one thread counts their waiting too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import rasterio
import torch
from measured import in_turns
from parts.plain_map import MEANS, STDS, plain_map
from rasterio import Affine
from rasterio.windows import Window

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.config.model import ModelParams
from flairhub.models.build import build_network
from flairhub.models.network import NetworkOutput
from flairhub.models.published import published_model
from flairhub.weights.contract import ModalityContract, TaskContract, WeightsContract
from flairhub.zonal.job import Job, Request, Source
from flairhub.zonal.ledger import Ledger
from flairhub.zonal.model import Model, chosen_dates
from flairhub.zonal.outputs import Outputs, write_outputs
from flairhub.zonal.run import write_blocks
from flairhub.zonal.setup import prepare

TILE, MARGIN, BATCH = 512, 128, 4
CLASSES = taxonomy(COSIA)


class Nothing(torch.nn.Module):
    """Logits that are there already: areas of some tens of pixels, as maps have them."""

    def __init__(self) -> None:
        super().__init__()
        self.still = torch.nn.Parameter(torch.zeros(1))
        coarse = torch.randn(
            BATCH, CLASSES.num_classes, TILE // 32, TILE // 32, generator=torch.Generator().manual_seed(0)
        )
        self.logits = torch.nn.functional.interpolate(coarse, size=(TILE, TILE), mode="bilinear")

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
                normalisation="custom", means=MEANS, stds=STDS,
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
    """A raster of blocks of 8 pixels, of any size."""
    rng = np.random.default_rng(0)
    where = Affine(0.2, 0, 7e5, 0, -0.2, 6.6e6)
    options = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "lzw", "photometric": "minisblack"}
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=side, width=side, dtype="uint8", crs="EPSG:2154", transform=where,
        **options,
    ) as raster:  # fmt: skip
        for row in range(0, side, 1024):
            coarse = rng.integers(0, 255, (3, 128, -(-side // 8))).astype(np.uint8)
            rows = min(1024, side - row)
            raster.write(coarse.repeat(8, 1).repeat(8, 2)[:, :rows, :side], window=Window(0, row, side, rows))
    return path


def job_of(raster: Path, folder: Path) -> Job:
    request = Request(
        sources=(Source(modality="AERIAL_RGBI", paths=(str(raster),)),), tile=TILE, margin=MARGIN, batch_size=BATCH
    )
    return prepare(request, Path("none"), "", contract(), folder / "scratch").job


def ours(job: Job, network: torch.nn.Module, folder: Path) -> None:
    model = Model(network=network, preprocessor=chosen_dates(job), num_classes={COSIA: CLASSES.num_classes})
    ledger = Ledger(folder / "out", job.key())
    with ledger.open(restart=True):
        write_blocks(job, model, list(job.tiling.blocks(job.cores)), ledger.folder, ledger.note)
        list(write_outputs(job, ledger, folder / "out", Outputs()))
        ledger.clear()


def plain(job: Job, network: Nothing, folder: Path) -> None:
    """The same map as the reference makes it."""
    plain_map(Path(job.inputs["AERIAL_RGBI"][0].path), folder / "plain.tif", network.logits, TILE, MARGIN)


@torch.inference_mode()
def bare(job: Job, network: torch.nn.Module) -> None:
    """Nothing but forward passes over as many tiles."""
    batch = {"AERIAL_RGBI": torch.randn(BATCH, 3, TILE, TILE)}
    count = -(-job.tiling.rows.count * job.tiling.columns.count // BATCH)
    for _ in range(count):
        network(batch, {}, {}, (TILE, TILE))


class Seconds(NamedTuple):
    """Of one run."""

    cpu: float
    wall: float

    def __str__(self) -> str:
        return f"{self.cpu:.2f} CPU s ({self.wall:.2f} s)"


def timed(run: Callable[[], object]) -> Seconds:
    """Processor time of all threads, and wall clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return Seconds(time.process_time() - cpu, time.perf_counter() - wall)


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
    parser.add_argument("--threads", type=int, default=1)
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
        if arguments.what == "io":
            nothing = Nothing()
            pairs = in_turns(
                lambda: timed(lambda: ours(job, nothing, folder)),
                lambda: timed(lambda: plain(job, nothing, folder)),
                arguments.rounds,
            )
        else:
            network = build_network(job.contract.network_spec()).eval()
            pairs = in_turns(
                lambda: timed(lambda: ours(job, network, folder)),
                lambda: timed(lambda: bare(job, network)),
                arguments.rounds,
            )
    for own, other in pairs:
        print(f"ours {own}, other {other}: {other.cpu / own.cpu:.2f}, by the clock {other.wall / own.wall:.2f}")
    for name in ("cpu", "wall"):
        ratios = sorted(getattr(other, name) / getattr(own, name) for own, other in pairs)
        print(f"{name}: median ratio {np.median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f}")


if __name__ == "__main__":
    main()
