"""A map without a network as the reference makes one: tile after tile through a `DataLoader` in this process.

Per tile the reference reads a window beyond the border with zeros, in bilinear mode, and keeps a raw copy as
float32 beside the normalised one, which it computes in float64; it adds a label of zeros with a plane per class,
stacks all three into batches, takes the scores to NumPy, crops them, chooses along the first axis, and writes the
tile into an LZW file with the profile of the input. Its tiles go column by column, from the bottom. Its conversion to
a Cloud-Optimized GeoTIFF, which it leaves out by default, and its bookkeeping in data frames are left out here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.enums import Resampling
from rasterio.windows import Window
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

MEANS, STDS = (127.0,) * 3, (74.0,) * 3


class Tiles(Dataset[dict[str, Tensor]]):
    """Tiles of a raster as the reference reads them."""

    def __init__(self, source: rasterio.DatasetReader, tile: int, margin: int, num_classes: int) -> None:
        self.source, self.tile, self.num_classes = source, tile, num_classes
        self.corners = list(_corners(source.height, source.width, tile, margin))

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Normalised and raw values, a label of zeros, the tile's number."""
        row, column = self.corners[index]
        values = self.source.read(
            (1, 2, 3),
            window=Window(column, row, self.tile, self.tile),
            out_shape=(3, self.tile, self.tile),
            resampling=Resampling.bilinear,
            boundless=True,
            fill_value=0,
        )
        scaled = values.astype(np.float64)
        for band in range(3):
            scaled[band] -= MEANS[band]
            scaled[band] /= STDS[band]
        return {
            "values": torch.tensor(scaled, dtype=torch.float32),
            "raw": torch.tensor(values, dtype=torch.float32),
            "label": torch.zeros((self.num_classes, self.tile, self.tile)),
            "index": torch.tensor([index]),
        }


def _corners(height: int, width: int, tile: int, margin: int) -> Iterator[tuple[int, int]]:
    """Upper left corners of the tiles, margins included; the last of a row ends at the border's margin."""
    stride = tile - 2 * margin
    for left in range(-margin, width - margin, stride):
        for bottom in range(height + margin, margin, -stride):
            yield max(bottom - tile, -margin), min(left, max(width + margin - tile, -margin))


def plain_map(path: Path, target: Path, logits: Tensor, tile: int, margin: int) -> None:
    """Write a class map.

    Args:
        path: a raster of three bands.
        target: the map.
        logits: what the network would say of every batch, `[B, K, tile, tile]`.
        tile: side of a tile, pixels.
        margin: context at each side, pixels.
    """
    with rasterio.open(path) as source:
        profile = {key: value for key, value in source.profile.items() if key != "photometric"}
        tiles = Tiles(source, tile, margin, logits.shape[1])
        with rasterio.open(target, "w", **profile | {"count": 1, "compress": "lzw"}) as raster:
            for batch in DataLoader(tiles, batch_size=len(logits)):
                scores = logits[: len(batch["values"])].numpy()
                for number, index in enumerate(batch["index"].flatten().tolist()):
                    row, column = (start + margin for start in tiles.corners[index])
                    inner = scores[number, :, margin : tile - margin, margin : tile - margin]
                    height, width = (
                        min(tile - 2 * margin, source.height - row),
                        min(tile - 2 * margin, source.width - column),
                    )
                    classes = np.argmax(inner, axis=0).astype(np.uint8)[:height, :width]
                    raster.write(classes, 1, window=Window(column, row, width, height))
