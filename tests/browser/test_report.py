"""`reports/index.html` in a browser: 24 rows, sorted by a click, and nothing loaded but the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.browser.driver import Proxy, Visit
from tests.page_repository import PageRepository

from flairhub.catalog.rows import PUBLISHED_ROWS

MIOU = "mIoU"


@pytest.fixture(scope="module")
def repository(make_page: Callable[..., PageRepository]) -> PageRepository:
    """24 rows with invented figures, and two patches with their predictions."""
    return make_page()


@pytest.fixture(scope="module")
def path(repository: PageRepository) -> Path:
    written = repository.root / "reports" / "index.html"
    written.parent.mkdir(exist_ok=True)
    written.write_text(repository.page(), encoding="utf-8", newline="\n")
    return written


@pytest.fixture
def opened(path: Path, visit: Visit, proxy: Proxy) -> Visit:
    visit.page.goto(path.as_uri())
    return visit


def tables(page: Any) -> list[Any]:
    return list(page.locator("table.sortable.main").all())


def rows_of(table: Any) -> list[str]:
    return [str(text) for text in table.locator("tbody th").all_inner_texts()]


def button(table: Any, heading: str) -> Any:
    """By its text: the arrow of a sorted column is part of the name that a screen reader says."""
    return table.locator("thead button", has_text=re.compile(rf"^\s*{re.escape(heading)}\s*$"))


def press(table: Any, heading: str) -> None:
    button(table, heading).click()


def assert_quiet(visit: Visit, path: Path, proxy: Proxy) -> None:
    visit.page.wait_for_timeout(300)
    assert visit.errors == []
    assert {url.partition("#")[0] for url in visit.requests} == {path.as_uri()}
    assert proxy.heard == []


def test_24_rows_are_there_in_the_order_of_the_parameters(opened: Visit, path: Path, proxy: Proxy) -> None:
    found = [row for table in tables(opened.page) for row in rows_of(table)]
    assert found == list(PUBLISHED_ROWS)
    assert len(found) == 24
    assert all(table.is_visible() for table in tables(opened.page))
    assert_quiet(opened, path, proxy)


def test_a_click_sorts_by_miou(opened: Visit, repository: PageRepository, path: Path, proxy: Proxy) -> None:
    for table, section in zip(tables(opened.page), repository.table.sections, strict=True):
        given = [line.result.row for line in section.lines]
        best_first = sorted(section.lines, key=lambda line: -(line.task.miou or 0))
        wanted = [line.result.row for line in best_first]
        assert len({line.task.miou for line in section.lines}) == len(given)  # no ties: one right order
        assert wanted not in (given, given[::-1])
        assert rows_of(table) == given
        press(table, MIOU)
        assert rows_of(table) == wanted
        figures = [float(text) for text in table.locator("tbody tr td:nth-of-type(2)").all_inner_texts()]
        assert figures == [round(line.task.miou or 0, 2) for line in best_first]
        press(table, MIOU)
        assert rows_of(table) == wanted[::-1]
        press(table, "Row")
        assert rows_of(table) == given
    assert_quiet(opened, path, proxy)


def test_sorting_works_from_the_keyboard(opened: Visit, repository: PageRepository) -> None:
    table, section = tables(opened.page)[0], repository.table.sections[0]
    button(table, MIOU).focus()
    opened.page.keyboard.press("Enter")
    best = max(section.lines, key=lambda line: line.task.miou or 0)
    assert rows_of(table)[0] == best.result.row


def test_a_row_opens_by_its_link(opened: Visit, path: Path, proxy: Proxy) -> None:
    link = tables(opened.page)[0].get_by_role("link", name="LC-G", exact=True)
    target = opened.page.locator(f"details{link.get_attribute('href')}")
    assert target.get_attribute("open") is None
    link.click()
    target.and_(opened.page.locator("[open]")).wait_for()
    assert_quiet(opened, path, proxy)


def test_every_choice_can_be_made(opened: Visit, path: Path, proxy: Proxy) -> None:
    choices = opened.page.locator("select")
    assert choices.count() > 0
    for choice in choices.all():
        values = choice.evaluate("select => Array.from(select.options, option => option.value)")
        assert len(set(values)) == len(values) > 1
        for value in values[:6]:
            choice.select_option(value)
            assert choice.input_value() == value
    assert_quiet(opened, path, proxy)


@pytest.mark.parametrize("width", [360, 1400])
def test_the_page_never_scrolls_sideways(width: int, opened: Visit) -> None:
    """Wide tables scroll inside their own frame."""
    opened.page.set_viewport_size({"width": width, "height": 800})
    widths = opened.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths[0] <= widths[1]
