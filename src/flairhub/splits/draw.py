"""Drawing splits by domain or by ROI, reproducibly and with little change when data are added.

Every unit gets a place in a fixed order: the SHA-256 of seed and unit name. Units are laid out in that order, each
as long as it has patches; `test` takes the first share of the whole length, then `valid`, then `train`, and a unit
goes where its middle lies. Hence:

- the same seed and data give the same splits, whatever the order in which data are read;
- adding or removing data never changes the order of the other units, so that only units next to one of the two
  cuts can change sides;
- shares are those of patches, up to half a unit at each cut; no split is empty.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

from flairhub.errors import ConfigurationError

LAYOUT = ("test", "valid", "train")
"""Order of the splits along the line."""


def place(unit: str, seed: int) -> str:
    """Sort key of a unit: it depends on nothing but its name and the seed."""
    return hashlib.sha256(f"{seed}\0{unit}".encode()).hexdigest()


def draw(sizes: Mapping[str, int], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Assign units to splits.

    Args:
        sizes: unit -> number of patches.
        shares: train, valid, test -> share of the patches; they add up to 1.
        seed: of the order.

    Returns:
        Unit -> split. Every split has at least one unit.

    Raises:
        ConfigurationError: shares are no partition, or there are fewer than three units.
    """
    if set(shares) != set(LAYOUT) or any(v <= 0 for v in shares.values()) or not math.isclose(sum(shares.values()), 1):
        raise ConfigurationError(
            f"Expected `split.shares` of train, valid and test above 0 that add up to 1, but got {dict(shares)}."
        )
    units = sorted(sizes, key=lambda unit: place(unit, seed))
    if len(units) < len(LAYOUT):
        raise ConfigurationError(
            f"Expected at least {len(LAYOUT)} units to draw train, valid and test from, but got {len(units)}: "
            f"{', '.join(units) or 'none'}. Use more data, draw by ROI instead of by domain, or choose another method."
        )
    first, second = _cuts([sizes[unit] for unit in units], shares)
    sides = (LAYOUT[(k >= first) + (k >= second)] for k in range(len(units)))
    return dict(zip(units, sides, strict=True))


def _cuts(lengths: list[int], shares: Mapping[str, float]) -> tuple[int, int]:
    """Number of units before each of the two cuts; no split is empty, however large one unit is."""
    total, before, middles = sum(lengths), 0, []
    for length in lengths:
        middles.append((before + length / 2) / total)
        before += length
    test, valid = shares["test"], shares["test"] + shares["valid"]
    first = min(max(sum(middle < test for middle in middles), 1), len(lengths) - 2)
    second = min(max(sum(middle < valid for middle in middles), first + 1), len(lengths) - 1)
    return first, second
