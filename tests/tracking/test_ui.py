from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from flairhub.errors import TrackingError
from flairhub.tracking.store import open_store
from flairhub.tracking.ui import experiments_in, runs_address, server_address, ui_command

from .conftest import Rows, snapshot
from .servers import free_port


def test_command_stays_on_this_machine(rows: Rows) -> None:
    command = ui_command(rows.workspace, None, 5001)
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert command[1:4] == ["-m", "mlflow", "ui"]
    assert options["--host"] == "127.0.0.1"
    assert options["--port"] == "5001"
    assert options["--workers"] == "1"
    assert options["--backend-store-uri"] == f"sqlite:///{rows.database}"
    assert options["--artifacts-destination"] == (rows.root / "mlruns" / "artifacts").as_uri()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_server_has_its_own_interface(rows: Rows) -> None:
    with pytest.raises(TrackingError, match="open that address"):
        ui_command(rows.workspace, "http://server:5000", 5000)


def test_active_experiments_of_ours_by_name(rows: Rows) -> None:
    uri = f"sqlite:///{rows.database}"
    assert experiments_in(uri) == {}
    store = rows.store
    made = {name: store.experiment(name) for name in ("flairhub/toy", "flairhub/sample", "elsewhere", "flairhub/old")}
    store.client.delete_experiment(made["flairhub/old"])
    assert list(experiments_in(uri).items()) == [
        ("flairhub/sample", made["flairhub/sample"]),
        ("flairhub/toy", made["flairhub/toy"]),
    ]


def test_the_page_of_the_runs() -> None:
    assert server_address(5000) == "http://127.0.0.1:5000"
    assert runs_address(5001, "17") == "http://127.0.0.1:5001/#/experiments/17/runs?workflowType=machine_learning"


def request(address: str, body: dict[str, Any] | None = None) -> bytes:
    data = json.dumps(body).encode() if body is not None else None
    message = urllib.request.Request(address, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(message, timeout=30) as answer:
        return bytes(answer.read())


@pytest.mark.slow
def test_interface_of_a_fresh_clone_and_sync_through_a_server(empty_rows: Rows) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = ui_command(empty_rows.workspace, None, port)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        end = time.monotonic() + 90
        while True:
            try:
                page = request(f"{address}/")
                break
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < end, "the server did not start"
                time.sleep(0.3)
        assert b"<title>MLflow" in page
        assert b"https://" not in page
        found = json.loads(request(f"{address}/api/2.0/mlflow/experiments/search", {"max_results": 10}))
        assert [item["name"] for item in found["experiments"]] == ["Default"]
        telemetry = json.loads(request(f"{address}/ajax-api/3.0/mlflow/ui-telemetry"))
        assert telemetry["disable_ui_telemetry"] is True

        empty_rows.add("LC-A")
        for outcome in ("created", "unchanged"):
            assert getattr(empty_rows.sync("LC-A", uri=address), outcome) == ("LC-A",)
        shown = snapshot(open_store(address).client)["LC-A"]
        assert shown["history"]["history/train_loss"] == [(10, 2.5), (20, 1.25)]
        assert "figures/row.html" in shown["artifacts"]
    finally:
        os.killpg(server.pid, 15)
        server.communicate(timeout=30)
