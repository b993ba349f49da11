from __future__ import annotations

import sqlite3
from pathlib import Path

from flairhub.tracking.store import open_store
from flairhub.tracking.ui import experiments_in, runs_address, server_address

from .conftest import Rows


def test_active_experiments_of_ours_by_name(rows: Rows) -> None:
    store = open_store(f"sqlite:///{rows.database}")
    made = {name: store.experiment(name) for name in ("flairhub/toy", "flairhub/sample", "elsewhere", "flairhub/old")}
    store.client.delete_experiment(made["flairhub/old"])
    assert list(experiments_in(rows.database).items()) == [
        ("flairhub/sample", made["flairhub/sample"]),
        ("flairhub/toy", made["flairhub/toy"]),
    ]


def test_no_store_has_no_experiments(tmp_path: Path) -> None:
    assert experiments_in(tmp_path / "mlflow.db") == {}
    assert experiments_in(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_looking_changes_nothing(rows: Rows) -> None:
    before = rows.database.read_bytes()
    assert experiments_in(rows.database) == {}
    assert rows.database.read_bytes() == before
    with sqlite3.connect(rows.database) as held:  # another process writes
        held.execute("BEGIN IMMEDIATE")
        assert experiments_in(rows.database) == {}


def test_the_page_of_the_runs() -> None:
    assert server_address(5000) == "http://127.0.0.1:5000"
    assert runs_address(5001, "17") == "http://127.0.0.1:5001/#/experiments/17/runs?workflowType=machine_learning"
