"""Arithmetic that repeats: the number of CPU threads is part of a result."""

from __future__ import annotations

import torch


def pin_threads(threads: int) -> None:
    """Use exactly this many CPU threads for tensor operations.

    Sums are split over threads, so another number gives other last bits.
    """
    torch.set_num_threads(threads)
