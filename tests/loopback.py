"""A server on loopback that misbehaves on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Served:
    """One file, and how it is served."""

    data: bytes
    etag: str | None = '"v1"'
    ranges: bool = True
    break_after: list[int] = field(default_factory=list)
    """Bytes after which the next replies break off, one entry per reply."""
    statuses: list[int] = field(default_factory=list)
    """Statuses of the next replies instead of the file, one entry per reply."""
    stated_size: int | None = None
    """What the Hub says the size is; None: the truth."""
    damaged: list[int] = field(default_factory=list)
    """Positions of a byte that is wrong in the next replies, one entry per reply."""
    pause_s: float = 0.0
    """Pause after every 64 kB."""


@dataclass
class Server:
    address: str
    files: dict[str, Served] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range header of every GET of a file."""
    sent: int = 0
    """Bytes of bodies."""
    listings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Path -> JSON of the Hub's API."""
    authorizations: list[str | None] = field(default_factory=list)
    """Authorization header of every request."""

    def url(self, path: str) -> str:
        return f"{self.address}{path}"


class Handler(BaseHTTPRequestHandler):
    state: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.state.authorizations.append(self.headers.get("Authorization"))
        served = self.state.files.get(self.path)
        if served is None:
            self._answer(404, 0, {"X-Error-Code": "EntryNotFound"})
            return
        commit = re.search(r"/resolve/([0-9a-f]{40})/", self.path)
        etag = f'"{hashlib.sha256(served.data).hexdigest()}"'
        size = len(served.data) if served.stated_size is None else served.stated_size
        self._answer(200, size, {"X-Repo-Commit": commit[1] if commit else "0" * 40, "ETag": etag})

    def _answer(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self) -> None:
        self.state.authorizations.append(self.headers.get("Authorization"))
        listing = self.state.listings.get(self.path.partition("?")[0])
        if listing is not None:
            body = json.dumps(listing).encode()
            self._answer(200, len(body), {"Content-Type": "application/json"})
            self.wfile.write(body)
            return
        wanted = self.headers.get("Range")
        self.state.requests.append((self.path, wanted))
        served = self.state.files.get(self.path)
        status = 404 if served is None else served.statuses.pop(0) if served.statuses else 200
        if served is None or status != 200:
            self._answer(status, 0)
            return
        self._send(served, wanted)

    def _send(self, served: Served, wanted: str | None) -> None:
        condition = self.headers.get("If-Range")
        start = 0
        if wanted and served.ranges and condition in {None, served.etag}:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(served.data) > 0:
            self._answer(416, 0)
            return
        body = served.data[start:]
        headers = {"Content-Range": f"bytes {start}-{len(served.data) - 1}/{len(served.data)}"} if start else {}
        headers |= {} if served.etag is None else {"ETag": served.etag}
        self._answer(206 if start else 200, len(body), headers)
        if served.break_after:
            body = body[: served.break_after.pop(0)]
            self.close_connection = True
        if served.damaged:
            at = served.damaged.pop(0) - start
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] if 0 <= at < len(body) else body
        for first in range(0, len(body), 1 << 16):
            block = body[first : first + (1 << 16)]
            self.wfile.write(block)
            self.state.sent += len(block)
            time.sleep(served.pause_s)


@contextmanager
def serving() -> Iterator[Server]:
    """A server without files yet, in a thread of this process."""
    state = Server(address="")
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), type("OfState", (Handler,), {"state": state}))
    state.address = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as started:
        yield started
