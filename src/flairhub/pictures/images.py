"""Small pictures as data URIs: the same pixels always give the same text."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 256
"""Longest side of a picture on the page, px; larger ones are made smaller."""

_FEW_PIXELS = 64
"""Pictures up to this side keep every pixel as it is."""
_QUALITY = 82


def photo_uri(image: npt.NDArray[np.float64]) -> str:
    """A picture [H, W, 3] in 0..1: PNG where single pixels matter, else WebP."""
    from PIL import Image

    picture = Image.fromarray(np.round(image * 255).astype(np.uint8))
    if max(picture.size) <= _FEW_PIXELS:
        return _uri(picture, "png")
    return _uri(_fitted(picture, Image.Resampling.BOX), "webp")


def class_uri(classes: npt.NDArray[np.uint8], colours: Sequence[str]) -> str:
    """A class map uint8 [H, W] in its colours (`#rrggbb` by class), as PNG with a palette; never blended."""
    from PIL import Image

    picture = Image.fromarray(classes)
    picture.putpalette(b"".join(bytes.fromhex(colour.removeprefix("#")) for colour in colours))
    return _uri(_fitted(picture, Image.Resampling.NEAREST), "png")


def _fitted(picture: Image, how: int) -> Image:
    longest = max(picture.size)
    if longest <= SIDE:
        return picture
    width, height = (max(1, round(length * SIDE / longest)) for length in picture.size)
    return picture.resize((width, height), how)


def _uri(picture: Image, kind: str) -> str:
    buffer = io.BytesIO()
    if kind == "png":
        picture.save(buffer, "PNG", optimize=True)
    else:
        picture.save(buffer, "WEBP", quality=_QUALITY, method=4)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
