"""MLflow as a user sees it after `make ui`: 24 rows found, two compared, nothing asked of the network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from tests.browser import mlflow_pages as ui
from tests.browser.driver import Proxy, Visit
from tests.tracking.conftest import Rows

import flairhub.tracking.sync as module
from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.files import read_json
from flairhub.tracking.records import RunRecord
from flairhub.tracking.ui import experiments_in, runs_address

TOLERATED = (
    # MLflow 3 asks who is logged in; without its authentication plugin that route does not exist.
    (
        r"Failed to load resource: the server responded with a status of 404 \(Not Found\)",
        r"/ajax-api/2\.0/mlflow/users/current",
    ),
    # Its table is laid out again in the middle of a layout; the browser delivers the rest in the next frame.
    (
        r"(null )?ResizeObserver loop completed with undelivered notifications\.",
        r"/static-files/static/js/main\.\w+\.js",
    ),
)
"""Patterns of (console error, path) that MLflow itself causes, whatever runs it shows."""


def is_tolerated(text: str, url: str) -> bool:
    path = urlsplit(url).path
    return any(re.fullmatch(said, text) and re.fullmatch(where, path) for said, where in TOLERATED)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """24 evaluated rows, synced."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME"):
            patch.delenv(name, raising=False)
        rows = Rows(tmp_path_factory.mktemp("browser") / "a workspace")
        rows.root.mkdir()
        (rows.root / "params.yaml").touch()  # a repository
        for row in PUBLISHED_ROWS:
            rows.add(row)
        # The pictures of one row stand for all: drawing them takes most of a sync.
        drawn: list[dict[str, bytes]] = []
        draw_all = module.draw_all

        def draw_first(record: RunRecord) -> dict[str, bytes]:
            drawn.extend([] if drawn else [draw_all(record)])
            return drawn[0]

        patch.setattr(module, "draw_all", draw_first)
        patch.setattr(module, "POOL_FROM", 1000)
        report = module.sync(rows.workspace, PUBLISHED_ROWS, profile="sample")
    assert len(report.created) == 24
    return rows


@pytest.fixture(scope="module")
def server(workspace: Rows, proxy: Proxy) -> Iterator[ui.Server]:
    with ui.serving(workspace.root, proxy) as started:
        yield started


def assert_quiet(visit: Visit, server: ui.Server, proxy: Proxy) -> None:
    """No error but those of MLflow itself, no request but to the server."""
    assert [error for error in visit.errors if not is_tolerated(*error)] == []
    assert len(visit.requests) > 5
    assert [url for url in visit.requests if not url.startswith(f"{server.address}/")] == []
    assert proxy.heard == []


def test_the_command_says_where_the_runs_are(workspace: Rows, server: ui.Server) -> None:
    ((name, identifier),) = experiments_in(f"sqlite:///{workspace.database}").items()
    port = urlsplit(server.address).port
    assert port is not None
    assert server.experiments == {name: runs_address(port, identifier)}
    assert name == "flairhub/sample"


def test_24_rows_are_found_and_two_compared(server: ui.Server, proxy: Proxy, visit: Visit) -> None:
    page = visit.page
    ui.open_runs(page, server.experiments["flairhub/sample"], len(PUBLISHED_ROWS))
    seen = set(ui.run_names(page))
    # The table draws the lines in its window; the rest follows when it is scrolled.
    page.get_by_role("link", name=ui.run_names(page)[0], exact=True).hover()
    for _ in range(20):
        if seen == set(PUBLISHED_ROWS):
            break
        page.mouse.wheel(0, 200)
        page.wait_for_timeout(100)
        seen |= set(ui.run_names(page))
    assert seen == set(PUBLISHED_ROWS)

    page.mouse.wheel(0, -5000)
    chosen = ui.run_names(page)[:4:3]
    ui.select(page, chosen)
    ui.compare(page, 2)
    assert sorted(ui.shown_in_comparison(page, "Run Name:")) == sorted(chosen)
    ui.settle(page)
    assert_quiet(visit, server, proxy)


def test_a_run_shows_its_figures_and_pictures(workspace: Rows, server: ui.Server, proxy: Proxy, visit: Visit) -> None:
    page = visit.page
    ui.open_runs(page, server.experiments["flairhub/sample"], len(PUBLISHED_ROWS))
    name = ui.run_names(page)[0]
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name, exact=True).wait_for()
    page.get_by_text(str(read_json(workspace.files(name).metrics)["test"]["oa"])[:5]).first.wait_for()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("figures", exact=True).first.click()
    page.get_by_text("row.html", exact=True).first.click()
    figures = page.frame_locator("iframe")
    figures.locator("svg").first.wait_for()  # the curves of the training
    assert figures.locator("table").first.locator("tr").count() > 10  # the confusion, a line per class
    page.get_by_text("iou_", exact=False).first.click()
    picture = page.locator("img[src^='blob:'], img[src*='get-artifact'], .image-outer-container img, canvas").first
    picture.wait_for()
    ui.settle(page)
    assert_quiet(visit, server, proxy)


def test_what_leaves_the_machine_would_be_heard(proxy: Proxy, visit: Visit) -> None:
    """The oracle of the tests above: the same browser, a page that does ask the network."""
    visit.page.set_content("<img src='http://example.org/picture.png'><script>console.error('seen')</script>")
    visit.page.wait_for_load_state("networkidle")
    heard, proxy.heard[:] = list(proxy.heard), []
    assert any("example.org/picture.png" in line for line in heard)
    assert "http://example.org/picture.png" in visit.requests
    assert "seen" in {text for text, _ in visit.errors}
