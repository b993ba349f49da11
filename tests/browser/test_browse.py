"""`flairhub browse` in a real browser, over a Hub on loopback."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.browser.driver import TIMEOUT_MS, Visit
from tests.loopback import Served, Server, serving
from tests.sources.test_hub import list_files, path_of

from flairhub.cli.main import build_parser
from flairhub.config.profiles import profile_text
from flairhub.config.reader import parse_params
from flairhub.config.yaml_file import parse_yaml
from flairhub.sources.wanted_archives import selection_of

ROOT = Path(__file__).parents[2]
LAYERS = ("AERIAL_RGBI", "AERIAL_LABEL-COSIA", "SENTINEL2_TS", "SENTINEL2_MSK-SC", "SPOT_RGBI")
DOMAINS = ("D012-2019", "D017-2018", "D017-2021", "D068-2021", "D059062-2021")
CHOSEN = ("D012-2019_AERIAL_LABEL-COSIA", "D012-2019_SENTINEL2_MSK-SC", "D012-2019_SENTINEL2_TS", "GLOBAL_ALL_MTD")


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    """Archives of a few domains; one is large enough to be stopped in the middle."""
    draw = random.Random(1)
    names = ["GLOBAL_ALL_MTD", "D017-195X_AERIAL-RLT_PAN"]
    names += [f"{domain}_{layer}" for domain in DOMAINS for layer in LAYERS]
    sizes = {name: 20_000 + 1_000 * number for number, name in enumerate(sorted(names))}
    sizes["D012-2019_SENTINEL2_TS"] = 42_000_000
    return {name: draw.randbytes(size) for name, size in sizes.items()}


@pytest.fixture
def hub(contents) -> Iterator[Server]:
    with serving() as server:
        list_files(server, contents, "v2")
        server.files |= {path_of(name, "v2"): Served(data) for name, data in contents.items()}
        yield server


@contextmanager
def browse(folder: Path, server: Server) -> Iterator[str]:
    """The command, in a repository of its own; gives the page's address."""
    text = profile_text(ROOT / "profiles", "full", sets=["data.huggingface.revision=v2"])
    (folder / "params.yaml").write_text(text)
    environment = {**os.environ, "HF_ENDPOINT": server.address, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "flairhub.cli.main", "browse"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield re.search(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", process.stdout.readline())[0]  # type: ignore[index]  # no match fails the test
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def state(visit: Visit, name: str) -> None:
    visit.page.locator(f'#state[data-state="{name}"]').wait_for(timeout=2 * TIMEOUT_MS)


def size_of(contents: dict[str, bytes], names: Iterable[str]) -> str:
    return f"{sum(len(contents[name]) for name in names) / 1e6:.1f} MB"


def choose(visit: Visit) -> None:
    """One row in one domain, on the map."""
    visit.page.locator("#rows label", has_text=re.compile("^LC-G$")).click()
    visit.page.locator('circle[data-domain="D012"]').click()


def test_a_row_of_a_domain_is_chosen_stopped_and_fetched(visit, proxy, hub, contents, tmp_path):
    page, large = visit.page, hub.files[path_of("D012-2019_SENTINEL2_TS", "v2")]
    with browse(tmp_path, hub) as address:
        page.goto(address)
        page.get_by_text(f"{len(contents)} archives, {size_of(contents, contents)}, 0 of them here").wait_for()
        assert page.locator("#domains tr").count() == page.locator("circle").count() == 4
        page.locator("#kinds label", has_text="labels").click()
        page.get_by_text(f"{len(DOMAINS) + 1} archives").wait_for()
        page.locator("#kinds label", has_text="labels").click()
        page.locator("#years label", has_text="2018").click()
        page.get_by_text("7 archives").wait_for()  # five layers of D017-2018, its historical images, metadata
        page.locator("#years label", has_text="2018").click()
        choose(visit)
        page.get_by_text(f"{len(CHOSEN)} archives, {size_of(contents, CHOSEN)}, 0 of them here").wait_for()
        assert page.locator('tr[data-domain="D012"] td').nth(3).inner_text() == size_of(contents, CHOSEN[:-1])
        check_command(page.locator("#command").inner_text(), list(contents))

        large.pause_s = 0.02
        page.get_by_role("button", name="Download").click()
        page.locator("#state").get_by_text(re.compile(r"^running [1-3]\d\.\d MB of")).wait_for()
        page.get_by_role("button", name="Stop").click()
        state(visit, "stopped")
        store = tmp_path / "data" / "archives" / "huggingface"
        part = store / "D012-2019_SENTINEL2_TS.zip.part"
        kept = part.stat().st_size
        assert 0 < kept < len(large.data)

        large.pause_s = 0
        page.get_by_role("button", name="Resume").click()
        state(visit, "done")
        page.get_by_text(f"{len(CHOSEN)} archives, {size_of(contents, CHOSEN)}, {len(CHOSEN)} of them here").wait_for()
        assert {path.stem for path in store.glob("*.zip")} == set(CHOSEN)
        assert all((store / f"{name}.zip").read_bytes() == contents[name] for name in CHOSEN)
        resumed = [wanted for path, wanted in hub.requests if path == path_of("D012-2019_SENTINEL2_TS", "v2")]
        assert resumed == [None, f"bytes={kept}-"]
        assert [path.name for path in tmp_path.rglob("*.part")] == []
    assert visit.errors == []
    assert proxy.heard == []
    assert all(request.startswith(address) for request in visit.requests)


def check_command(text: str, names: list[str]) -> None:
    """The command to copy makes parameters that want the same archives."""
    use, pull = text.split(" && ")
    assert pull == "flairhub pull"
    words = shlex.split(use)[1:]
    arguments = build_parser().parse_args(words)
    sets = [change for group in arguments.sets for change in group]
    written = profile_text(ROOT / "profiles", arguments.profile, rows=arguments.rows.split(","), sets=sets)
    params = parse_params(parse_yaml(written, "params.yaml"), "params.yaml")
    assert list(params.rows) == ["LC-G"]
    assert selection_of(params.data.subset).choose(names, "the Hub") == CHOSEN


def test_the_page_says_what_is_wrong(visit, hub, tmp_path):
    hub.files[path_of("D012-2019_SENTINEL2_TS", "v2")] = Served(b"something else")
    with browse(tmp_path, hub) as address:
        visit.page.goto(address)
        choose(visit)
        visit.page.get_by_role("button", name="Download").click()
        state(visit, "failed")
        assert "expected sha256" in visit.page.locator("#state").inner_text()
        assert hashlib.sha256(b"something else").hexdigest() in visit.page.locator("#state").inner_text()
