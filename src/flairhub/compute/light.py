"""Importing Lightning without what it never uses here, so that a training starts sooner."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from types import ModuleType

_NAME = "torchmetrics"


class Metric:
    """No metric is one: Lightning asks of what a step returns whether it is."""


class MetricCollection(Metric):
    """As `Metric`."""


def leave_out_torchmetrics() -> None:
    """Let Lightning find a `torchmetrics` of the two classes that it asks for, instead of the whole package.

    That one imports all of its metrics, and with them SciPy's signals, torchvision's models and more. No figure here
    comes from it (`flairhub.evaluation`). For a process of our own, before it imports Lightning; one that has
    `torchmetrics` already keeps it.
    """
    if _NAME in sys.modules:
        return
    module = ModuleType(_NAME, "Only what Lightning asks for; see flairhub.compute.light.")
    module.__spec__ = ModuleSpec(_NAME, None)
    vars(module).update(Metric=Metric, MetricCollection=MetricCollection, __version__=version(_NAME))
    sys.modules[_NAME] = module
