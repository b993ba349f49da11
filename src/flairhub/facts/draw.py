"""A seeded share of the regions of interest: which of them the index reads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_RANGE = 1 << 64


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiDraw:
    """The draw of `data.subset`."""

    share: float = 1.0
    """Of the regions, (0, 1]."""
    seed: int = 0

    def keeps(self, domain: str, roi: str) -> bool:
        """Whether a region is used: by the seed and its name alone, alike for every layer and year.

        A larger share of the same seed keeps all that a smaller one does.

        >>> sum(RoiDraw(share=0.25, seed=1).keeps("D012", f"AF-S1-{n}") for n in range(1000))
        272
        """
        if self.share >= 1:
            return True
        digest = hashlib.sha256(f"{self.seed}\0{domain}\0{roi}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < self.share * _RANGE
