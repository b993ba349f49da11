"""The MLflow interface as `flairhub ui` starts it, and the way of a user through it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.driver import Proxy

SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Server:
    """A running interface."""

    address: str
    experiments: dict[str, str]
    """Experiment -> address of its runs, as the command printed it."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(workspace: Path, proxy: Proxy) -> Iterator[Server]:
    """`flairhub ui` in a workspace; whatever the server asks of the network goes to the proxy."""
    port = free_port()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "FLAIRHUB_", "MLFLOW_"))}
    network = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy.address)
    local = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    process = subprocess.Popen(
        [sys.executable, "-m", "flairhub.cli.main", "ui", "--port", str(port)],
        cwd=workspace,
        env=inherited | network | local | {"PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = _wait(process, f"http://127.0.0.1:{port}")
        yield Server(f"http://127.0.0.1:{port}", dict(re.findall(r"^(flairhub/\S+): (http\S+)$", said, re.MULTILINE)))
    finally:
        process.terminate()
        process.communicate(timeout=60)
        assert not _answers(f"http://127.0.0.1:{port}"), "the server outlives the command"


def _wait(process: subprocess.Popen[str], address: str) -> str:
    """Wait for the server; returns what it had said by the time its worker started."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Uvicorn running" in line or "startup complete" in line:
            break
    end = time.monotonic() + 60
    while not _answers(address):
        assert process.poll() is None, f"the server ended: {said}"
        assert time.monotonic() < end, f"the server does not answer: {said}"
        time.sleep(0.2)
    return said


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=10).close()
    except (urllib.error.URLError, ConnectionError):
        return False
    return True


def settle(page: Any) -> None:
    """Let late requests happen; the page itself never falls silent, because it polls."""
    page.wait_for_timeout(1500)


def open_runs(page: Any, address: str, count: int) -> None:
    """Open the runs of an experiment and wait for all of them."""
    page.goto(address)
    page.get_by_text(f"{count} matching runs").wait_for()


def run_names(page: Any) -> list[str]:
    """Names of the runs in the table, from top to bottom. It draws more lines than the window shows."""
    return [str(text) for text in page.locator('a[href*="/runs/"]').all_inner_texts()]


def select(page: Any, names: Sequence[str]) -> None:
    """Tick runs."""
    for name in names:
        line = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
        identifier = line.get_attribute("row-id")
        page.locator(f'[row-id="{identifier}"] input[type=checkbox]').first.check()


def compare(page: Any, count: int) -> None:
    """Press Compare and wait for the view."""
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_role("heading", name=f"Comparing {count} Runs from 1 Experiment").wait_for()


def shown_in_comparison(page: Any, label: str) -> list[str]:
    """The cells of a line of the comparison, e.g. of `Run Name:`."""
    line = page.locator("tr").filter(has=page.get_by_text(label, exact=True)).first
    line.wait_for()
    return [str(text) for text in line.locator("td, th").all_inner_texts()][1:]
