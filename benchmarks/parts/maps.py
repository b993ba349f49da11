"""Zonal inference and U-TAE, as their own scripts measure them at more sizes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
import utae as utae_script
from measured import Measurement, compared, cpu_seconds, in_turns

import zonal as zonal_script
from flairhub.models.build import build_network

SIDE = 1024


def zonal(rounds: int = 2) -> Measurement:
    """A map of 1,024 x 1,024 pixels, all told, against forward passes over as many tiles."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = zonal_script.job_of(zonal_script.draw(folder / "a.tif", SIDE), folder)
        network = build_network(job.contract.network_spec()).eval()
        pairs = in_turns(
            lambda: cpu_seconds(lambda: zonal_script.ours(job, network, folder)),
            lambda: cpu_seconds(lambda: zonal_script.bare(job, network)),
            rounds,
        )
    return compared(pairs, unit="CPU s", against="forward passes over as many tiles", goal="<= 1.11")


def zonal_plain(rounds: int = 2) -> Measurement:
    """The same without a network, against the reference's loop over tiles."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = zonal_script.job_of(zonal_script.draw(folder / "a.tif", 4 * SIDE), folder)
        network = zonal_script.Nothing()
        pairs = in_turns(
            lambda: cpu_seconds(lambda: zonal_script.ours(job, network, folder)),
            lambda: cpu_seconds(lambda: zonal_script.plain(job, network, folder)),
            rounds,
        )
    return compared(pairs, unit="CPU s", against="the reference's loop over tiles", goal="<= 0.33")


def utae(rounds: int = 7) -> Measurement:
    """Forward and backward at published widths, 4 series of 60 dates and 10 x 10 pixels."""
    torch.manual_seed(0)
    whole, alone = utae_script.runs(utae_script.build(), masked=0.0)
    pairs = in_turns(lambda: cpu_seconds(whole), lambda: cpu_seconds(alone), rounds)
    return compared(pairs, unit="CPU s", against="its convolutions alone", goal="<= 1.20")
