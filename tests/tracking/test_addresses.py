from __future__ import annotations

from flairhub.tracking.store import open_store
from flairhub.tracking.ui import experiments_in, runs_address, server_address

from .conftest import Rows


def test_active_experiments_of_ours_by_name(rows: Rows) -> None:
    uri = f"sqlite:///{rows.database}"
    assert experiments_in(uri) == {}
    store = open_store(uri)
    made = {name: store.experiment(name) for name in ("flairhub/toy", "flairhub/sample", "elsewhere", "flairhub/old")}
    store.client.delete_experiment(made["flairhub/old"])
    assert list(experiments_in(uri).items()) == [
        ("flairhub/sample", made["flairhub/sample"]),
        ("flairhub/toy", made["flairhub/toy"]),
    ]


def test_the_page_of_the_runs() -> None:
    assert server_address(5000) == "http://127.0.0.1:5000"
    assert runs_address(5001, "17") == "http://127.0.0.1:5001/#/experiments/17/runs?workflowType=machine_learning"
