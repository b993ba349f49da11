"""A sweep as a picture: figures on the validation split over the parameters that vary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flairhub.errors import DataError
from flairhub.files import is_number
from flairhub.lineage.experiments import Experiment
from flairhub.pictures.canvas import BAR, GRID, SOFT, figure_file


def draw_sweep(experiments: Sequence[Experiment], row: str, parameter: str, path: Path) -> None:
    """Draw a numeric parameter against mean IoU on valid, a point per experiment.

    Args:
        experiments: from `read_experiments`.
        row: row identifier, for the title.
        parameter: dotted name.
        path: destination, `.png` or `.svg`.

    Raises:
        DataError: no experiment has a result and a number there.
    """
    points = sorted(
        (float(each.params[parameter]), each.miou, each.name)
        for each in experiments
        if each.miou is not None and is_number(each.params.get(parameter))
    )
    if not points:
        raise DataError(
            f"Expected experiments of {row} with a result and a number for {parameter}, but there are none."
        )
    across = [point[0] for point in points]
    with figure_file(path, (6.4, 3.4)) as figure:
        axes = figure.add_subplot()
        axes.plot(across, [point[1] for point in points], color=SOFT, linewidth=1, zorder=2)
        axes.scatter(across, [point[1] for point in points], color=BAR, zorder=3)
        best = max(points, key=lambda point: point[1])
        axes.annotate(f"best: {best[0]:g}", best[:2], (0, 8), textcoords="offset points", ha="center", color=BAR)
        if min(across) > 0 and max(across) >= 10 * min(across):
            axes.set_xscale("log")
        axes.set_xticks(across, [f"{value:g}" for value in across])
        axes.minorticks_off()
        axes.set_xlabel(parameter)
        axes.set_ylabel("mIoU on valid, percent")
        axes.set_title(f"{row}: {len(points)} experiments", loc="left")
        axes.margins(y=0.2)
        axes.grid(color=GRID, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
