"""Training curves of a row: loss of every epoch, mIoU on valid where it was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flairhub.pictures.svg import BAR, INK, SOFT, inline_svg, themed_figure
from flairhub.records.history import Epoch, History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = (3.3, 1.25)
_BOXES = ((0.085, 0.235, 0.375, 0.6), (0.59, 0.235, 0.375, 0.6))
"""Left, bottom, width, height of the two panels, shares of the figure."""


def top_miou(histories: Sequence[History], task: str) -> float:
    """Upper end of the axis that all rows of a task share: a multiple of 10 above every mIoU on valid."""
    values = [value for history in histories for epoch in history.epochs if (value := epoch.miou(task)) is not None]
    return float(max(10 * np.ceil(max(values, default=0.0) / 10), 10))


def draw_curves(row: str, histories: Sequence[History], task: str, top: float, *, prefix: str) -> str:
    """An SVG of one row's trainings; further seeds are thin.

    Args:
        row: its name.
        histories: one per seed, the row's own first.
        task: whose mIoU is drawn.
        top: upper end of the mIoU axis, percent.
        prefix: unique on the page.
    """
    with themed_figure(*_SIZE) as figure:
        loss, miou = (figure.add_axes(box) for box in _BOXES)
        for place, history in enumerate(histories):
            style: dict[str, Any] = {"color": BAR, "lw": 1.4 if place == 0 else 0.6, "zorder": 3 - place * 0.01}
            loss.plot(*_known(history, lambda epoch: epoch.train_loss), **style)
            miou.plot(
                *_known(history, lambda epoch: epoch.miou(task)), marker="o", ms=2.5 if place == 0 else 1.2, **style
            )
        _name_last(miou, histories[0], task, top)
        last = max(history.epochs[-1].epoch + 1 for history in histories)
        for axes, title in ((loss, "training loss"), (miou, "mIoU on valid, %")):
            axes.text(0, 1.07, title, fontsize=7, color=SOFT, transform=axes.transAxes)  # a title is slow to place
            _plain(axes, last)
        loss.set_ylim(
            0, 1.05 * max((e.train_loss for each in histories for e in each.epochs if e.train_loss), default=1.0)
        )
        miou.set_ylim(0, top)
        return inline_svg(figure, label=f"Training of {row}: loss and mIoU on valid by epoch", prefix=prefix)


def _known(history: History, figure: Callable[[Epoch], float | None]) -> tuple[list[int], list[float]]:
    """Epochs done, and the figure of those that have it."""
    pairs = [(epoch.epoch + 1, value) for epoch in history.epochs if (value := figure(epoch)) is not None]
    return [epoch for epoch, _ in pairs], [value for _, value in pairs]


def _name_last(axes: Axes, history: History, task: str, top: float) -> None:
    epochs, values = _known(history, lambda epoch: epoch.miou(task))
    if values:
        above = values[-1] < 0.75 * top
        place = (-2, 4) if above else (-2, -9)
        axes.annotate(
            f"{values[-1]:.1f}",
            (epochs[-1], values[-1]),
            place,
            textcoords="offset points",
            ha="right",
            fontsize=7,
            color=INK,
        )


def _plain(axes: Axes, last: int) -> None:
    axes.set_xlim(0.5 if last == 1 else 1 - 0.03 * last, last * 1.03 + 0.2)
    axes.set_xticks([1, last] if last > 1 else [1])
    axes.locator_params(axis="y", nbins=4)
    axes.grid(axis="y", lw=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=6.5, pad=2)
    axes.spines[["top", "right", "left"]].set_visible(False)
