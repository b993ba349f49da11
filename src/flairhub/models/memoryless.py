"""Networks without memory, of which only shapes are asked: torch's device `meta`, entered without what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_FILLS = {Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_}


@contextmanager
def memoryless() -> Iterator[None]:
    """What is built inside has no memory, and is not filled with initial weights."""
    with torch.device("meta"), _Unfilled():
        yield


class _Unfilled(TorchFunctionMode):
    """Leaves out the filling of tensors that have no memory.

    Torch would go through it in Python all the same, and import its symbolic algebra for that, which takes as long as
    building a network.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer for torch: the tensor as it is, or what the function gives."""
        del types
        if func in _FILLS and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))
