"""Names that weights of older releases of timm have for the same tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

_STEP = re.compile(r"(?P<before>(?:^|.*[._])layers[._])(?P<stage>\d+)(?P<after>[._]downsample[._].*)")
"""The halving of resolution between two stages of Swin, Swin v2 and their kin."""
_DERIVED = ("relative_position_index", "attn_mask")
"""What follows from the size of a patch, and was stored nevertheless."""


def in_todays_order(found: Mapping[str, Tensor], wanted: Iterable[str]) -> dict[str, Tensor]:
    """Tensors under today's keys of timm's Swin transformers.

    Before its release 0.9, as in the original files, timm kept the step between two stages at the end of the earlier
    one (`layers.0.downsample`); now it is at the beginning of the later one (`layers.1.downsample`). A first stage with
    such a step tells the old order. Each encoder of a file is looked at by itself. Tables that follow from the size of
    a patch, which older files hold too, are left out where the network has none.

    Args:
        found: tensors of a file.
        wanted: keys of the network that they are for; one whose first stage has such a step keeps the file's order.

    Source: `checkpoint_filter_fn` of timm's `swin_transformer`.
    """
    wanted = set(wanted)
    found = {name: tensor for name, tensor in found.items() if name in wanted or not name.endswith(_DERIVED)}
    if any(step["stage"] == "0" for step in map(_STEP.fullmatch, wanted) if step):
        return found
    old = {step["before"] for step in map(_STEP.fullmatch, found) if step and step["stage"] == "0"}
    return {_moved(name, old): tensor for name, tensor in found.items()}


def _moved(name: str, old: set[str]) -> str:
    step = _STEP.fullmatch(name)
    if step is None or step["before"] not in old:
        return name
    return f"{step['before']}{int(step['stage']) + 1}{step['after']}"
