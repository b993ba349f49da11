"""Pictures of MLflow and of the report page for the README, taken on the way that the tests go.

In a finished clone with Chromium: `python -m tests.browser.screenshots --out assets`.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.browser import mlflow_pages as ui
from tests.browser.driver import Visit, browsing, listening_proxy, reason_to_skip
from tests.browser.test_browse import browse, choose
from tests.loopback import serving

from flairhub.catalog.hub import HUB_REPO, hub_archives

REPORT = Path("reports/index.html")
HIDDEN = ("Dataset", "Source", "Models")
SHOWN = ("valid/miou", "valid/oa")
RETURNING = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.workflowType_v1", '"machine_learning"');
"""
"""MLflow as somebody sees it who has closed its assistant and chosen model training once."""


def shoot_mlflow(visit: Visit, address: str, names: Sequence[str], out: Path) -> None:
    """The runs of an experiment with their validation figures, and two of them compared."""
    page = visit.page
    page.add_init_script(RETURNING)
    page.goto(address)
    page.get_by_text(re.compile(r"^\d+ matching runs$")).wait_for()
    ui.settle(page)
    choose_columns(page)
    ui.settle(page)
    ui.select(page, names)
    visit.shoot(out / "mlflow.png")
    ui.compare(page, len(names))
    show_differences(page)
    ui.settle(page)
    visit.shoot(out / "compare.png")


def choose_columns(page: Any) -> None:
    """Figures instead of what is the same for every row."""
    page.get_by_test_id("column-selection-dropdown").first.click()
    for name in (*HIDDEN, *SHOWN):
        find_column(page, name).click()
    page.keyboard.press("Escape")


def find_column(page: Any, name: str) -> Any:
    """The box of a column in the list, which follows the typing after a while, and sometimes loses it."""
    search = page.get_by_placeholder("Search columns")
    line = page.locator("[class*=tree-treenode]").filter(has=page.get_by_text(name, exact=True)).last
    for _ in range(5):
        search.fill("")
        search.press_sequentially(name, delay=20)
        ui.settle(page)
        if line.is_visible():
            break
        page.keyboard.press("Escape")  # a list that was opened before all runs came does not have their metrics
        page.get_by_test_id("column-selection-dropdown").first.click()
    return line.locator("[class*=tree-checkbox]").first


def show_differences(page: Any) -> None:
    """Fold the plot away, and show only what differs."""
    page.get_by_role("button", name="Visualizations").click()
    for toggle in page.get_by_role("switch").all():
        if toggle.is_visible() and toggle.get_attribute("aria-checked") == "false":
            toggle.click()
    page.get_by_role("heading", name=re.compile("^Comparing ")).scroll_into_view_if_needed()


def shoot_report(visit: Visit, path: Path, out: Path) -> None:
    visit.page.goto(path.resolve().as_uri())
    visit.page.locator("table.sortable.main").first.wait_for()
    visit.shoot(out / "report.png")


def shoot_browser(visit: Visit, folder: Path, out: Path) -> None:
    """The page of `flairhub browse` over the names of the published archives; sizes are made up."""
    sizes = {"SENTINEL2": 400, "SENTINEL1": 700, "AERIAL_RGBI": 2900, "DEM": 3300}
    with serving() as server:
        server.listings[f"/api/datasets/{HUB_REPO}/tree/v2/data"] = [
            {"type": "file", "oid": "0" * 40, "path": f"data/{name}.zip", "size": size * 1_000_000}
            for name in hub_archives()
            for size in [next((size for token, size in sizes.items() if token in name), 150)]
        ]
        with browse(folder, server) as address:
            visit.page.goto(address)
            choose(visit)
            visit.page.locator('circle[data-domain="D015"]').click()
            visit.page.get_by_text("7 archives").wait_for()
            visit.shoot(out / "browse.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("assets"), metavar="FOLDER", help="default: assets")
    parser.add_argument("--rows", default="LC-A,LC-B", metavar="ROW,ROW", help="rows to compare")
    arguments = parser.parse_args()
    reason = reason_to_skip()
    if reason is not None:
        parser.exit(1, f"{reason}\n")
    with listening_proxy() as proxy, browsing(proxy) as fresh:
        with tempfile.TemporaryDirectory() as folder:
            shoot_browser(fresh(), Path(folder), arguments.out)
        with ui.serving(Path.cwd(), proxy) as server:
            ((_, address),) = server.experiments.items()
            shoot_mlflow(fresh(), address, arguments.rows.split(","), arguments.out)
        shoot_report(fresh(), REPORT, arguments.out)


if __name__ == "__main__":
    main()
