from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from flairhub.catalog.taxonomies import COSIA
from flairhub.files import read_json, write_json
from flairhub.records.details import Details
from flairhub.tracking.registry import best_version, valid_score

from .conftest import Rows, models, snapshot


def add_trained(rows: Rows, row: str, weights: str, *, valid: float, test: float) -> str:
    """A row's outputs after another training; returns the checksum of its weights."""

    def change(details: Details) -> Details:
        task = details.tasks[COSIA]
        figures = dataclasses.replace(task.published, miou=test)
        protocols = {**task.protocols, "published": figures}
        return dataclasses.replace(details, tasks={COSIA: dataclasses.replace(task, protocols=protocols)})

    return rows.add(row, mark=weights, valid=valid, change=change)


def test_best_is_chosen_by_valid_not_by_test(rows: Rows) -> None:
    first = add_trained(rows, "LC-A", "1", valid=30.0, test=60.0)
    rows.sync("LC-A")
    assert models(rows.client)["flairhub.sample.LC-A"]["aliases"] == {"best": first}
    better = add_trained(rows, "LC-A", "2", valid=40.0, test=50.0)
    rows.sync("LC-A")
    worse = add_trained(rows, "LC-A", "3", valid=35.0, test=99.0)
    rows.sync("LC-A")
    shown = models(rows.client)["flairhub.sample.LC-A"]
    assert set(shown["versions"]) == {first, better, worse}
    assert shown["aliases"] == {"best": better}
    assert "no longer has a test set" in shown["description"]


def test_version_names_weights_run_and_address(rows: Rows) -> None:
    checksum = add_trained(rows, "LC-A", "1", valid=30.5, test=60.0)
    rows.sync("LC-A")
    client = rows.client
    version = models(client)["flairhub.sample.LC-A"]["versions"][checksum]
    assert version["tags"] == {
        "weights_sha256": checksum,
        "row_key": read_json(rows.receipt("LC-A"))["row_key"],
        "address": "models/LC-A/model.safetensors",
        "row": "LC-A",
        "profile": "sample",
        "valid.miou": "30.5",
    }
    assert (version["source"], version["run"]) == ("model", "LC-A")
    found = client.get_model_version_by_alias("flairhub.sample.LC-A", "best")
    about = read_json(Path(client.download_artifacts(found.run_id, "model/weights.json")))
    assert about["sha256"] == checksum
    artifacts = snapshot(client)["LC-A"]["artifacts"]
    assert "model/model.safetensors" not in artifacts


@pytest.mark.parametrize(("copy_mb", "copied"), [(0.0, False), (0.0001, False), (1.0, True)])
def test_small_weights_are_copied_where_the_user_says_so(rows: Rows, copy_mb: float, copied: bool) -> None:
    add_trained(rows, "LC-A", "x" * 200, valid=30.5, test=60.0)
    rows.sync("LC-A", copy_mb=copy_mb)
    assert ("model/model.safetensors" in rows.shown()["LC-A"]["artifacts"]) == copied


def test_version_of_a_deleted_run_is_made_anew(rows: Rows) -> None:
    checksum = add_trained(rows, "LC-A", "1", valid=30.0, test=60.0)
    rows.sync("LC-A")
    client = rows.client
    first = client.get_model_version_by_alias("flairhub.sample.LC-A", "best")
    client.delete_run(first.run_id)
    rows.sync("LC-A")
    second = client.get_model_version_by_alias("flairhub.sample.LC-A", "best")
    assert second.run_id != first.run_id
    assert list(models(client)["flairhub.sample.LC-A"]["versions"]) == [checksum]


def test_checksum_of_dvc_comes_when_dvc_knows_it(rows: Rows) -> None:
    checksum = add_trained(rows, "LC-A", "1", valid=30.0, test=60.0)
    rows.sync("LC-A")
    md5 = hashlib.md5(rows.receipt("LC-A").read_bytes()).hexdigest()
    stages = {
        "train@LC-A": {"cmd": "x", "outs": [{"path": "models/LC-A", "md5": "17.dir"}]},
        "evaluate@LC-A": {"cmd": "x", "outs": [{"path": "reports/rows/LC-A/receipt.json", "md5": md5}]},
    }
    write_json(rows.root / "dvc.lock", {"stages": stages})
    rows.sync("LC-A")
    version = models(rows.client)["flairhub.sample.LC-A"]["versions"][checksum]
    assert version["tags"]["dvc.md5"] == "17.dir"


def test_score_is_the_mean_of_the_tasks_on_valid() -> None:
    metrics = {"valid/A/miou": 10.0, "valid/B/miou": 30.0, "test/A/miou": 90.0, "valid/A/oa": 80.0, "valid/A/x/miou": 7}
    assert valid_score(metrics) == 20.0
    assert valid_score({"test/A/miou": 90.0, "valid/best_epoch": 3}) is None


def test_nothing_is_best_without_a_validation() -> None:
    assert best_version([]) is None
