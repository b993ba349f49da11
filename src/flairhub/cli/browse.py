"""`flairhub browse`: choose a part of the published data set on a map, and fetch it."""

from __future__ import annotations

import argparse
import secrets
import socket
from typing import TYPE_CHECKING, Any

from flairhub.errors import ConfigurationError, FlairhubError
from flairhub.project import find_project

if TYPE_CHECKING:
    from flairhub.project import Project
    from flairhub.sources.hub import Stated

HOST = "127.0.0.1"


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "browse",
        help="choose a part of the published data set on a map, and fetch it",
        description="Serve a page on loopback: domains, rows, layers and years, their sizes, a download, and the "
        "command that does the same. On another machine: `ssh -L PORT:127.0.0.1:PORT MACHINE`, and open the same "
        "address here.",
    )
    parser.add_argument("--port", type=int, default=0, help=f"port on {HOST} (default: a free one)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    try:
        import uvicorn

        from flairhub.sources.browse.app import build_app
    except ImportError as error:
        raise ConfigurationError(
            f"Expected the package {error.name} for the page, but it is not installed; install flairhub[browse]."
        ) from None
    from flairhub.archives.checksums import checksums_of
    from flairhub.sources.browse.transfer import Transfer
    from flairhub.sources.hub import Transfers

    project = find_project()
    params, settings = project.params.data.huggingface, project.settings
    rate = None if settings.download_mb_s is None else settings.download_mb_s * 1e6
    store = project.workspace.archives / "huggingface"
    archives = _archives(project)
    transfers = Transfers(parallel=settings.downloads, most_bytes_per_s=rate)
    transfer = Transfer(params, store, checksums_of(project.workspace), transfers, lambda: archives)
    token = secrets.token_urlsafe(24)
    with _listening(arguments.port) as listener:
        print(f"Open http://{HOST}:{listener.getsockname()[1]}/{token}/ (Ctrl+C ends it)", flush=True)
        app = build_app(token, lambda: archives, transfer, store)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False))
        try:
            server.run(sockets=[listener])
        finally:
            transfer.stop()
    return 0


def _archives(project: Project) -> dict[str, Stated]:
    """The archives of the revision; without sizes where the Hub cannot be asked and the names are known here.

    Raises:
        DownloadError: another revision than the published one, and the Hub cannot be asked.
    """
    from flairhub.sources.download import DownloadError
    from flairhub.sources.hub import Stated, published_sums, stated_archives

    params = project.params.data.huggingface
    try:
        return stated_archives(params)
    except DownloadError as error:
        try:
            names = published_sums(params)
        except FlairhubError:
            raise error from None
        print(f"Sizes are unknown: {error}", flush=True)
        return {name: Stated(None, sha256) for name, sha256 in names.items()}


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"Expected to listen on {HOST}:{port}, but got {error}; choose another --port."
        ) from None
