"""A headless Chromium whose requests and errors are kept, and a proxy that hears what leaves the machine."""

from __future__ import annotations

import os
import shutil
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTH, HEIGHT = 1400, 900
"""Size of the window, pixels."""
SILENT = (
    "--component-updater=url-source=http://127.0.0.1:9/",
    "--gaia-url=http://127.0.0.1:9",
    "--google-apis-url=http://127.0.0.1:9",
)
"""Chromium itself asks its maker for updates and accounts, whatever page is open; these stop it."""
OWN = ("content-autofill.googleapis.com:443", "android.clients.google.com:443")
"""What Chromium asks of its maker where a page has a form, which no switch stops, and after some minutes, for messages
that are pushed; requests of pages are kept apart."""
TIMEOUT_MS = 30_000
"""Longest wait for an element: the machine may be busy."""


def find_chromium() -> str | None:
    """The installed browser, `FLAIRHUB_CHROMIUM` first; None where there is none."""
    given = os.environ.get("FLAIRHUB_CHROMIUM")
    found = (shutil.which(name) for name in (given, *NAMES) if name)
    return next((path for path in found if path), None)


def reason_to_skip() -> str | None:
    """Why no browser can be driven here; None where one can."""
    try:
        import playwright.sync_api  # noqa: F401 - only whether it is there
    except ImportError:
        return "playwright is not installed: pip install -e '.[dev]'"
    if find_chromium() is None:
        return f"no Chromium: none of {', '.join(NAMES)} is on PATH, and FLAIRHUB_CHROMIUM is not set"
    return None


class Proxy(socketserver.ThreadingTCPServer):
    """Refuses every request, and remembers it. Loopback addresses never come here."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.heard: list[str] = []
        heard = self.heard

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline().decode(errors="replace").strip()
                if not line.startswith(tuple(f"CONNECT {host} " for host in OWN)):
                    heard.append(line)
                self.wfile.write(b"HTTP/1.1 502 Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def listening_proxy() -> Iterator[Proxy]:
    with Proxy() as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.shutdown()


@dataclass
class Visit:
    """One page of the browser, and all that happened on it."""

    page: Any
    requests: list[str] = field(default_factory=list)
    """Addresses of every request but `data:` and `blob:`, which go nowhere."""
    errors: list[tuple[str, str]] = field(default_factory=list)
    """(text, address) of console errors, exceptions and failed requests."""

    def listen(self) -> None:
        context = self.page.context
        context.on("request", lambda request: self._request(request.url))
        self.page.on("console", lambda m: self._error(m.type == "error", m.text, m.location.get("url", "")))
        self.page.on("pageerror", lambda error: self._error(True, f"exception: {error}", self.page.url))

    def _request(self, url: str) -> None:
        if not url.startswith(("data:", "blob:")):
            self.requests.append(url)

    def _error(self, is_error: bool, text: str, url: str) -> None:
        if is_error:
            self.errors.append((text, url))

    def shoot(self, path: Path) -> None:
        """A picture of the window with at most 256 colours, so that it stays small in a repository."""
        import io

        from PIL import Image

        picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


@contextmanager
def browsing(proxy: Proxy) -> Iterator[Callable[[], Visit]]:
    """A browser that reaches loopback directly and everything else through the proxy; gives fresh pages."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=find_chromium(),
            args=list(SILENT),
            proxy={"server": proxy.address, "bypass": "127.0.0.1,localhost"},
        )

        def fresh() -> Visit:
            context = browser.new_context(
                viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB", timezone_id="UTC"
            )
            context.set_default_timeout(TIMEOUT_MS)
            visit = Visit(context.new_page())
            visit.listen()
            return visit

        try:
            yield fresh
        finally:
            browser.close()
