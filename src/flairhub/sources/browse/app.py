"""The web application of `flairhub browse`: one page, its data, and a download that starts and stops.

It answers on loopback to whoever knows the token in its address, and to its own page: another site that is open in the
same browser can neither read it nor make it do anything.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flairhub.config.base import build
from flairhub.config.pipeline import SubsetParams
from flairhub.errors import ConfigurationError, FlairhubError
from flairhub.sources.browse.contents import page_contents
from flairhub.sources.wanted_archives import selection_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from flairhub.sources.browse.transfer import Transfer
    from flairhub.sources.hub import Stated

HOSTS = ("127.0.0.1", "localhost")
"""Names under which a browser reaches loopback, also through a tunnel. Any other is a name that somebody else chose."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_FILES = {
    "": ("page.html", "text/html"),
    "page.js": ("page.js", "text/javascript"),
    "page.css": ("page.css", "text/css"),
}
"""Path -> file of this folder, and its type. No other file is served."""

_WISH = ("modalities", "domains", "years")


def build_app(token: str, archives: Callable[[], dict[str, Stated]], transfer: Transfer, store: Path) -> Starlette:
    """The application.

    Args:
        token: first part of every path.
        archives: what exists, with sizes; asked in a thread, once per page.
        transfer: the download.
        store: folder of the archives.
    """

    async def contents(_: Request) -> Response:
        try:
            return JSONResponse(await run_in_threadpool(lambda: page_contents(archives(), store)))
        except FlairhubError as error:
            return JSONResponse({"message": str(error)}, status_code=502)

    async def progress(_: Request) -> Response:
        return JSONResponse(asdict(transfer.progress))

    async def start(request: Request) -> Response:
        try:
            subset = _subset(await request.body())
            names = await run_in_threadpool(lambda: transfer.start(selection_of(subset)))
        except FlairhubError as error:
            return JSONResponse({"message": str(error)}, status_code=400)
        return JSONResponse({"archives": list(names)})

    async def stop(_: Request) -> Response:
        await run_in_threadpool(transfer.stop)
        return JSONResponse(asdict(transfer.progress))

    async def guard(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await proceed(request) if _is_own(request, token) else Response(status_code=404)
        response.headers.update(HEADERS)
        return response

    return Starlette(
        routes=[
            *(Route(f"/{token}/{path}", _file(*_FILES[path])) for path in _FILES),
            Route(f"/{token}/contents", contents),
            Route(f"/{token}/progress", progress),
            Route(f"/{token}/start", start, methods=["POST"]),
            Route(f"/{token}/stop", stop, methods=["POST"]),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
            Middleware(BaseHTTPMiddleware, dispatch=guard),
        ],
    )


def _file(name: str, kind: str) -> Callable[[Request], Response]:
    def serve(_: Request) -> Response:
        return Response(files("flairhub.sources.browse").joinpath(name).read_bytes(), media_type=kind)

    return serve


def _is_own(request: Request, token: str) -> bool:
    """Whether a request has the token and comes from nowhere or from the page itself."""
    given = request.url.path.split("/")[1]
    if not hmac.compare_digest(given.encode(), token.encode()):
        return False
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return False
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{request.headers.get('host')}":
        return False
    return request.method in {"GET", "HEAD"} or request.headers.get("content-type") == "application/json"


def _subset(body: bytes) -> SubsetParams:
    """The part of the data set that a page wants.

    Raises:
        ConfigurationError: the body is something else.
    """
    try:
        values: Any = json.loads(body)
    except ValueError:
        values = None
    if not isinstance(values, dict) or set(values) != set(_WISH):
        raise ConfigurationError(f"Expected JSON with {', '.join(_WISH)}, but got {body[:80]!r}.")
    return build(SubsetParams, {**values, "rows": None, "rois": 1.0, "seed": 0}, "the page's choice")
