from __future__ import annotations

from typing import Any

from flairhub.catalog.taxonomies import COSIA
from flairhub.report.page.row_page import render_row_page
from flairhub.tracking import plots
from flairhub.tracking.reading import read_identity, read_record
from flairhub.tracking.records import RunRecord


def test_all_figures_of_a_run_are_repeatable_and_small(empty_rows: Any) -> None:
    empty_rows.add("LC-A")
    record = read_record(empty_rows.root, read_identity(empty_rows.root, "LC-A"), lock={})  # type: ignore[arg-type]  # not skipped
    assert isinstance(record, RunRecord)
    figures = plots.draw_all(record)
    assert set(figures) == {f"iou_{COSIA}.png", "row.html"}
    assert figures == plots.draw_all(record)
    assert all(len(data) < 200_000 for data in figures.values())
    assert figures[f"iou_{COSIA}.png"].startswith(b"\x89PNG")
    page = figures["row.html"].decode()
    assert page == render_row_page("LC-A", record.details, record.histories)
    assert "Training of LC-A" in page
