"""A server on loopback that misbehaves on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


@dataclass
class Server:
    address: str
    files: dict[str, Served] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range header of every request."""

    def url(self, path: str) -> str:
        return f"{self.address}{path}"


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server(address="")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.requests.append((self.path, wanted))
            served = state.files.get(self.path)
            status = 404 if served is None else served.statuses.pop(0) if served.statuses else 200
            if served is None or status != 200:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._send(served, wanted)

        def _send(self, served: Served, wanted: str | None) -> None:
            condition = self.headers.get("If-Range")
            start = 0
            if wanted and served.ranges and condition in {None, served.etag}:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(served.data) > 0:
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = served.data[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(served.data) - 1}/{len(served.data)}")
            if served.etag is not None:
                self.send_header("ETag", served.etag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if served.break_after:
                body = body[: served.break_after.pop(0)]
                self.close_connection = True
            self.wfile.write(body)

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()
