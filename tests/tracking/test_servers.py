"""Tracking against real servers by addresses alone: PostgreSQL, S3, `mlflow server`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flairhub.config.workspace import Workspace
from flairhub.errors import TrackingError
from flairhub.tracking.databases import Address, artifact_address
from flairhub.tracking.store import open_store, tracking_uri
from flairhub.tracking.sync import sync
from flairhub.tracking.ui import ui_command

from .conftest import Rows, snapshot
from .servers import answers, free_port, kill_group, mlflow_server, object_store, postgresql, until

BUCKET = "flairhub-test"
DATABASE = "postgresql://me:secret@db.example/runs"


@dataclass
class Settings:
    tracking_uri: str | None = None


@pytest.fixture(autouse=True)
def _no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLAIRHUB_ARTIFACT_URI", "MLFLOW_BACKEND_STORE_URI"):
        monkeypatch.delenv(name, raising=False)


def test_a_database_needs_an_address_for_artifacts(tmp_path: Path) -> None:
    with pytest.raises(
        TrackingError, match=r"db\.example/runs go, but nothing says it.*FLAIRHUB_ARTIFACT_URI"
    ) as found:
        tracking_uri(Workspace(tmp_path, tmp_path), DATABASE)
    assert "secret" not in str(found.value)


def test_addresses_of_store_and_artifacts_are_joined(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "copy", tmp_path)
    (tmp_path / "local.yaml").write_text("artifact_uri: s3://bucket/prefix/\n")
    for given in (DATABASE, DATABASE.replace("postgresql", "postgres")):
        address = tracking_uri(workspace, given)
        assert address == "postgresql+psycopg2://me:secret@db.example/runs"
        assert address.artifacts == "s3://bucket/prefix"
    assert tracking_uri(workspace, "http://server:5000").artifacts == "s3://bucket/prefix"


def test_a_folder_for_artifacts_counts_from_the_main_workspace(tmp_path: Path) -> None:
    assert artifact_address("shared/files", tmp_path) == (tmp_path / "shared" / "files").as_uri()
    assert artifact_address(None, tmp_path) is None
    assert artifact_address("", tmp_path) is None


def test_a_missing_driver_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(TrackingError, match=r"psycopg2 is not; run `pip install 'flairhub\[server\]'`"):
        open_store(Address("postgresql+psycopg2://me@127.0.0.1:1/runs", "s3://bucket"))


def test_a_dead_database_is_named_at_once_and_without_its_password(rows: Rows, monkeypatch: Any) -> None:
    pytest.importorskip("psycopg2", reason="needs the extra `server`")
    monkeypatch.setenv("FLAIRHUB_ARTIFACT_URI", "s3://bucket")
    rows.add("LC-A")
    address = f"postgresql://me:secret@127.0.0.1:{free_port()}/runs"
    with pytest.raises(TrackingError, match="expected it to answer") as found:
        sync(rows.workspace, ["LC-A"], profile="sample", uri=address)
    assert "secret" not in str(found.value)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    pytest.importorskip("psycopg2", reason="needs the extra `server`")
    with postgresql() as address:
        yield address


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with object_store(BUCKET) as address:
        yield address


@pytest.fixture
def _keys(monkeypatch: pytest.MonkeyPatch, s3: str) -> None:
    """What a user of an object store has in the environment."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("MLFLOW_S3_ENDPOINT_URL", s3),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")


def stored(s3: str) -> set[str]:
    import boto3

    client = boto3.client("s3", endpoint_url=s3)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return {item["Key"] for page in pages for item in page.get("Contents", ())}


def check_everything(rows: Rows, address: str, s3: str, prefix: str) -> dict[str, Any]:
    """Create, repeat, and complete after new results; returns what the runs show."""
    for row in ("LC-A", "LC-B"):
        rows.add(row)
    first = sync(rows.workspace, ["LC-A", "LC-B"], profile="sample", uri=address)
    assert first.created == ("LC-A", "LC-B")
    assert "secret" not in first.uri
    store = open_store(tracking_uri(rows.workspace, address))
    shown, objects = snapshot(store.client), stored(s3)
    assert all(run["status"] == "FINISHED" for run in shown.values())
    assert len([key for key in objects if key.startswith(prefix) and key.endswith("/receipt.json")]) == 2
    assert sync(rows.workspace, ["LC-A", "LC-B"], profile="sample", uri=address).unchanged == ("LC-A", "LC-B")
    assert (snapshot(store.client), stored(s3)) == (shown, objects)
    run = store.client.search_runs([store.experiment("flairhub/sample")], "tags.`flairhub.row` = 'LC-A'")[0]
    text = Path(store.client.download_artifacts(run.info.run_id, "receipt.json", str(rows.root))).read_text()
    assert text == rows.receipt("LC-A").read_text()
    return shown


@pytest.mark.slow
@pytest.mark.usefixtures("_keys")
def test_postgresql_and_s3_directly(empty_rows: Rows, database: str, s3: str) -> None:
    (empty_rows.root / "local.yaml").write_text(f"tracking_uri: {database}\nartifact_uri: s3://{BUCKET}/direct\n")
    shown = check_everything(empty_rows, database, s3, "direct/flairhub-sample/")
    assert not list(empty_rows.root.rglob("*.db"))
    assert not (empty_rows.root / "mlruns").exists()
    # The same as in the default store, but for where it lies.
    other = Rows(empty_rows.root / "other")
    for row in ("LC-A", "LC-B"):
        other.add(row)
    sync(other.workspace, ["LC-A", "LC-B"], profile="sample")
    assert snapshot(open_store(tracking_uri(other.workspace)).client) == shown


@pytest.mark.slow
@pytest.mark.usefixtures("_keys")
def test_the_interface_over_postgresql_hides_the_password(
    empty_rows: Rows, database: str, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAIRHUB_ARTIFACT_URI", f"s3://{BUCKET}/shown")
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "")
    port = free_port()
    command = ui_command(empty_rows.workspace, Settings(database), port)
    assert not any("secret" in word for word in command)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), "the start of the interface")
    finally:
        kill_group(server)


TWO_AT_ONCE = """
import sys
from flairhub.tracking.databases import Address
from flairhub.tracking.store import open_store
print(open_store(Address(sys.argv[1], "s3://bucket")).experiment("flairhub/race"))
"""


@pytest.mark.slow
def test_two_processes_may_meet_an_empty_database(database: str) -> None:
    import psycopg2

    connection = psycopg2.connect(database)
    connection.autocommit = True
    connection.cursor().execute("CREATE DATABASE fresh")
    connection.close()
    address = database.replace("postgresql:", "postgresql+psycopg2:").replace("/postgres", "/fresh")
    command = [sys.executable, "-c", TWO_AT_ONCE, address]
    environment = os.environ | {"PYTHONPATH": "src"}
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    said = [process.communicate(timeout=240)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1]


@pytest.mark.slow
@pytest.mark.usefixtures("_keys")
def test_an_mlflow_server_over_postgresql_and_s3(empty_rows: Rows, database: str, s3: str, tmp_path: Path) -> None:
    backend = database.replace("postgresql:", "postgresql+psycopg2:")
    options = ("--backend-store-uri", backend, "--artifacts-destination", f"s3://{BUCKET}/proxied")
    with mlflow_server(tmp_path, *options) as (address, _):
        # Another profile than the other tests': an experiment of its own, with the server's choice of artifacts.
        for row in ("LC-A", "LC-B"):
            empty_rows.add(row, profile="served")
        report = sync(empty_rows.workspace, ["LC-A", "LC-B"], profile="served", uri=address)
        assert report.created == ("LC-A", "LC-B")
        again = sync(empty_rows.workspace, ["LC-A", "LC-B"], profile="served", uri=address)
        assert again.unchanged == ("LC-A", "LC-B")
        shown = snapshot(open_store(address).client, "flairhub/served")
        assert "receipt.json" in shown["LC-A"]["artifacts"]
    assert sum(key.startswith("proxied/") and key.endswith("/receipt.json") for key in stored(s3)) == 2
