"""A browser for the session; every test of this folder is marked, and skipped where there is no Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.browser.driver import Proxy, Visit, browsing, listening_proxy, reason_to_skip

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = reason_to_skip()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if reason is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def proxy() -> Iterator[Proxy]:
    with listening_proxy() as started:
        yield started


@pytest.fixture(scope="session")
def fresh_page(proxy: Proxy) -> Iterator[Callable[[], Visit]]:
    with browsing(proxy) as fresh:
        yield fresh


@pytest.fixture
def visit(fresh_page: Callable[[], Visit]) -> Iterator[Visit]:
    opened = fresh_page()
    yield opened
    opened.page.context.close()
