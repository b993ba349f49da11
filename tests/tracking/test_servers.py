"""Tracking against a real `mlflow server` over PostgreSQL and S3: MLflow's addresses are all that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flairhub.tracking.store import open_store

from .conftest import Rows, snapshot
from .servers import mlflow_server, object_store, postgresql

BUCKET = "flairhub-test"


@pytest.fixture
def database() -> Iterator[str]:
    pytest.importorskip("psycopg2", reason="needs the extra `server`")
    with postgresql() as address:
        yield address


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """With what a user of an object store has in the environment."""
    with object_store(BUCKET) as address:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("MLFLOW_S3_ENDPOINT_URL", address),
        ):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
        yield address


def stored(s3: str) -> set[str]:
    import boto3

    client = boto3.client("s3", endpoint_url=s3)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return {item["Key"] for page in pages for item in page.get("Contents", ())}


@pytest.mark.slow
def test_an_mlflow_server_over_postgresql_and_s3(empty_rows: Rows, database: str, s3: str, tmp_path: Path) -> None:
    """Create, repeat, and the same as in the default store, but for where it lies."""
    names = ["LC-A", "LC-B"]
    for row in names:
        empty_rows.add(row)
    options = (
        "--backend-store-uri",
        database.replace("postgresql:", "postgresql+psycopg2:"),
        "--artifacts-destination",
        f"s3://{BUCKET}/proxied",
    )
    with mlflow_server(tmp_path, *options) as (server, _):
        address = server.replace("//", "//me:secret@")
        first = empty_rows.sync(*names, uri=address)
        assert first.created == ("LC-A", "LC-B")
        assert "secret" not in first.uri
        client = open_store(address).client
        shown, objects = snapshot(client), stored(s3)
        assert len([key for key in objects if key.startswith("proxied/") and key.endswith("/receipt.json")]) == 2
        assert empty_rows.sync(*names, uri=address).unchanged == ("LC-A", "LC-B")
        assert (snapshot(client), stored(s3)) == (shown, objects)
        run = client.search_runs([open_store(address).experiment("flairhub/sample")], "tags.`flairhub.row` = 'LC-A'")[0]
        text = Path(client.download_artifacts(run.info.run_id, "receipt.json", str(tmp_path))).read_text()
        assert text == empty_rows.receipt("LC-A").read_text()
        assert not (empty_rows.root / "mlruns").exists()
    empty_rows.sync(*names)
    assert empty_rows.shown() == shown
