"""Who is answered by the page's server, and with what."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.loopback import Served
from tests.sources.test_hub import list_files, path_of

from flairhub.archives.checksums import Checksums
from flairhub.catalog.domains import domain_places
from flairhub.catalog.hub import HUB_REPO, hub_archives
from flairhub.catalog.names import parse_archive
from flairhub.config.pipeline import HuggingFaceParams
from flairhub.sources.browse.app import build_app
from flairhub.sources.browse.contents import page_contents
from flairhub.sources.browse.transfer import Transfer
from flairhub.sources.download import Patience
from flairhub.sources.hub import Transfers, stated_archives

TOKEN = "t" * 32
PARAMS = HuggingFaceParams(repo=HUB_REPO, revision="v2")
NAMES = ("D012-2019_SENTINEL2_TS", "D012-2019_SENTINEL2_MSK-SC", "D012-2019_DEM_ELEV", "GLOBAL_ALL_MTD")
WISH = {"modalities": ["SENTINEL2_TS"], "domains": ["D012"], "years": None}


class World:
    """The application over a Hub on loopback."""

    def __init__(self, server, folder: Path) -> None:
        self.server = server
        self.contents = {name: f"zip of {name} ".encode() * 5000 for name in NAMES}
        list_files(server, self.contents, "v2")
        server.files |= {path_of(name, "v2"): Served(data) for name, data in self.contents.items()}
        self.store = folder / "store"
        transfers = Transfers(parallel=1, endpoint=server.address, patience=Patience(attempts=1, timeout_s=5))
        archives = stated_archives(PARAMS, server.address)
        self.transfer = Transfer(PARAMS, self.store, Checksums(folder / "v"), transfers, lambda: archives)
        app = build_app(TOKEN, lambda: archives, self.transfer, self.store)
        self.client = TestClient(app, base_url="http://127.0.0.1:8000")

    def start(self, wish=WISH, **headers: str):
        return self.client.post(f"/{TOKEN}/start", json=wish, headers=headers)

    def wait(self) -> None:
        assert self.transfer._thread is not None
        self.transfer._thread.join(timeout=60)


@pytest.fixture
def world(server, tmp_path) -> World:
    return World(server, tmp_path)


def test_without_the_token_nothing_is_there(world):
    for path in ("/", "/contents", "/page.js", f"/{TOKEN[:-1]}/", f"/{TOKEN}x/contents", "/%00/", "//"):
        assert world.client.get(path).status_code == 404, path
    assert world.client.get(f"/{TOKEN}/").status_code == 200
    assert world.client.post("/start", json=WISH).status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8000", ""])
def test_a_name_that_somebody_else_points_here_is_refused(world, host):
    assert world.client.get(f"/{TOKEN}/contents", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost:9999", "127.0.0.1:8000"])
def test_a_tunnel_is_no_other_name(world, host):
    assert world.client.get(f"/{TOKEN}/contents", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:8000"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
def test_other_sites_make_it_do_nothing(world, headers):
    assert world.start(**headers).status_code == 404
    assert world.transfer.progress.state == "idle"
    assert world.server.requests == []


def test_every_answer_forbids_what_the_page_does_not_need(world):
    for path in (f"/{TOKEN}/", f"/{TOKEN}/contents", "/"):
        headers = world.client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "wish",
    [
        {**WISH, "domains": ["../../etc"]},
        {**WISH, "modalities": ["../x"]},
        {**WISH, "years": [2031]},
        {**WISH, "more": 1},
        {"domains": None},
        [],
        {**WISH, "domains": "D012"},
    ],
)
def test_what_is_not_in_the_catalogue_is_refused(world, wish):
    reply = world.start(wish)
    assert (reply.status_code, reply.json()["message"][:9]) != (200, "")
    assert reply.status_code == 400
    assert not world.store.exists()


def test_no_file_but_the_page_s_own_is_served(world):
    for path in ("app.py", "page.html", "..%2f..%2fparams.yaml", "../errors.py", "contents/../app.py"):
        assert world.client.get(f"/{TOKEN}/{path}").status_code == 404, path


def test_a_download_is_that_of_pull(world):
    assert world.start().json()["archives"] == sorted(set(NAMES) - {"D012-2019_DEM_ELEV"})
    world.wait()
    progress = world.client.get(f"/{TOKEN}/progress").json()
    total = sum(len(world.contents[name]) for name in NAMES if "DEM" not in name)
    assert (progress["state"], progress["bytes"], progress["total"], progress["archives"]) == ("done", total, total, 3)
    fetched = {path.stem: path.read_bytes() for path in world.store.glob("*.zip")}
    assert fetched == {name: data for name, data in world.contents.items() if "DEM" not in name}
    contents = world.client.get(f"/{TOKEN}/contents").json()
    assert {each["name"]: each["here"] > 0 for each in contents["archives"]} == {
        name: name in fetched for name in NAMES
    }


def test_one_download_at_a_time_and_stop_ends_it(world):
    large = world.server.files[path_of(NAMES[0], "v2")]
    large.data, large.pause_s = large.data * 8, 0.2
    list_files(world.server, {**world.contents, NAMES[0]: large.data}, "v2")
    world.transfer._archives = lambda: stated_archives(PARAMS, world.server.address)
    assert world.start().status_code == 200
    refused = world.start()
    assert (refused.status_code, "stop it first" in refused.json()["message"]) == (400, True)
    stopped = world.client.post(f"/{TOKEN}/stop", json={}).json()
    assert stopped["state"] == "stopped"
    assert not (world.store / f"{NAMES[0]}.zip").exists()
    large.pause_s = 0
    assert world.start().status_code == 200
    world.wait()
    assert world.transfer.progress.state == "done"


def test_a_failure_is_told(world):
    world.server.files[path_of(NAMES[0], "v2")] = Served(b"something else")
    world.start()
    world.wait()
    progress = world.client.get(f"/{TOKEN}/progress").json()
    assert progress["state"] == "failed"
    assert "expected sha256" in progress["message"]


def test_every_published_domain_has_a_place_in_france():
    places = domain_places()
    assert set(places) == {parsed.domain for name in hub_archives() if (parsed := parse_archive(name)) is not None}
    assert all(41 < place.latitude < 51.2 and -5 < place.longitude < 9.7 for place in places.values())


def test_a_place_is_where_the_data_lie():
    """A footprint of D006 is known: EPSG:2154, (1022361.6, 6313574.4)."""
    from rasterio.warp import transform

    (x,), (y,) = transform("EPSG:2154", "EPSG:4326", [1022361.6], [6313574.4])
    place = domain_places()["D006"]
    assert abs(place.latitude - y) < 0.5
    assert abs(place.longitude - x) < 0.5
    points = page_contents({}, Path("/nowhere"))["places"]
    north, south = points["D059062"], points["D066"]
    assert south["y"] - north["y"] == pytest.approx(875, abs=15), "kilometres from Lille and Arras to Perpignan's hills"
