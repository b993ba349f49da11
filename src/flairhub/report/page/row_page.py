"""One row on a page of its own, drawn as on the page of all: confusion, training curves, example maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flairhub.catalog.taxonomies import taxonomy
from flairhub.maps.geotiff import ClassMap
from flairhub.pictures.curves import draw_curves, top_miou
from flairhub.records.details import Details
from flairhub.records.history import History
from flairhub.report.page.examples import answer_view
from flairhub.report.page.rendering import drawn, render
from flairhub.report.page.tables import confusion_view
from flairhub.report.table import section_title


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A map that the evaluation kept."""

    task: str
    patch_id: str
    prediction: ClassMap
    """uint8 `[H, W]`."""
    label: ClassMap | None
    """The same; None where it is not here."""


def render_row_page(
    row: str, details: Details, histories: Sequence[History] = (), examples: Sequence[Example] = ()
) -> str:
    """The page as text; equal files give equal bytes.

    Args:
        row: its name.
        details: its figures.
        histories: one per seed, the row's own first; none where weights were given.
        examples: of tasks that the catalog knows.

    Raises:
        DataError: an example does not fit its label.
    """
    return render(
        "row.html.j2", row=row, tasks=[_task(row, task, details, histories, examples) for task in details.tasks]
    )


def _task(
    row: str, task: str, details: Details, histories: Sequence[History], examples: Sequence[Example]
) -> dict[str, Any]:
    figures = details.tasks[task]
    title = section_title(task, figures.level)
    svg = None
    if histories:
        svg = drawn(draw_curves(row, histories, task, top_miou(histories, task), prefix=f"curve-{task}"))
    return {
        "title": title,
        "confusion": confusion_view(row, task, figures),
        "curves": svg,
        "examples": [
            (
                each.patch_id,
                answer_view(
                    each.patch_id,
                    title,
                    each.label,
                    {row: each.prediction},
                    taxonomy(task, figures.level),
                    {row: figures.scored},
                ),
            )
            for each in examples
            if each.task == task
        ],
    }
