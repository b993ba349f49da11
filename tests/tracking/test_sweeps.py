"""Grouping of runs in a real store: what a parent shows, however its members came, and what one more costs."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import pytest

from flairhub.tracking import names
from flairhub.tracking.store import Store, open_store
from flairhub.tracking.sweeps import group_sweeps

from .conftest import Rows

BASELINE = "b" * 40


class Members:
    """Runs of one sweep in a real store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.experiment = store.experiment("flairhub/sample")

    def add(self, number: int, params: dict[str, str], valid: float = 50.0, *, start: bool = False) -> str:
        """A run as a sync leaves it."""
        from mlflow.entities import Metric, Param

        tags = {names.ROW: "LC-A", names.PROFILE: "sample", names.EVAL_KEY: f"{number:064x}"}
        tags[names.ROW_KEY] = f"{number + 1000:064x}"
        if start:
            tags[names.REVISIONS] = BASELINE
        else:
            tags |= {names.BASELINE: BASELINE, names.UNGROUPED: "yes", names.EXPERIMENTS: f"exp-{number:03d}"}
        run_id = self.store.client.create_run(self.experiment, tags=tags, start_time=number).info.run_id
        self.store.client.log_batch(
            run_id,
            metrics=[Metric("valid/COSIA/miou", valid, 1, 0)],
            params=[Param(*pair) for pair in params.items()],
        )
        self.store.client.set_terminated(run_id, "FINISHED", end_time=number + 5)
        return str(run_id)

    def group(self, *, whole: bool = False) -> None:
        group_sweeps(self.store, self.experiment, whole=whole)

    def parents(self, deleted: bool = False) -> list[Any]:
        from mlflow.entities import ViewType

        view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
        return list(
            self.store.client.search_runs([self.experiment], f"tags.`{names.KIND}` = 'sweep'", run_view_type=view)
        )

    def table(self) -> list[dict[str, str]]:
        (parent,) = self.parents()
        with Path(self.store.client.download_artifacts(parent.info.run_id, "sweep.csv")).open() as handle:
            return list(csv.DictReader(handle))


@pytest.fixture
def members(rows: Rows) -> Members:
    return Members(open_store(f"sqlite:///{rows.database}"))


def test_parent_is_updated_in_place(members: Members) -> None:
    members.add(0, {"lr": "1", "bs": "8"}, 30.0, start=True)
    members.add(1, {"lr": "2", "bs": "8"}, 40.0)
    members.group()
    (first,) = members.parents()
    assert first.data.tags["best.experiment"] == "exp-001"
    members.add(2, {"lr": "1", "bs": "4"}, 45.0)
    members.group()
    (second,) = members.parents()
    assert second.info.run_id == first.info.run_id
    assert members.parents(deleted=True) == []
    shown = {key: value for key, value in second.data.tags.items() if key.startswith(("sweep.", "best."))}
    assert shown == {
        **{"sweep.experiments": "2", "sweep.varied": "bs,lr"},
        **{"best.experiment": "exp-002", "best.lr": "1", "best.bs": "4"},
    }
    assert second.data.metrics == {"best/valid/COSIA/miou": 45.0, "baseline/valid/COSIA/miou": 30.0}
    assert second.info.end_time == 7
    assert [(line["experiment"], line["lr"], line["bs"]) for line in members.table()] == [
        *(("(baseline)", "1", "8"), ("exp-001", "2", "8"), ("exp-002", "1", "4")),
    ]


def test_what_is_varied_is_what_the_runs_say(members: Members) -> None:
    """One by one, in any order, against a comparison of all with all."""
    rng = random.Random(3)
    given = {}
    for number in rng.sample(range(12), 12):
        given[number] = {name: rng.choice("12") for name in "abc"} | {"same": "x", "long": "y" * 9}
        if number == 5:
            del given[number]["a"]  # a training without an evaluation has less
        members.add(number, given[number])
        members.group()
    common = set.intersection(*(set(params) for params in given.values()))
    varied = sorted(name for name in common if len({params[name] for params in given.values()}) > 1)
    assert varied == ["b", "c"]
    one_by_one = members.table()
    assert [{name: line[name] for name in varied} for line in one_by_one] == [
        {name: given[number][name] for name in varied} for number in sorted(given)
    ]
    assert set(one_by_one[0]) == {"experiment", "status", *varied, "valid/COSIA/miou", "eval_key"}
    members.group(whole=True)
    assert members.table() == one_by_one


@pytest.mark.parametrize("damage", ["tag", "artifact"])
def test_half_written_parent_is_completed(members: Members, damage: str) -> None:
    for number in (1, 2):
        members.add(number, {"lr": str(number)})
    members.group()
    (parent,) = members.parents()
    if damage == "tag":
        members.store.client.set_tag(parent.info.run_id, names.FINGERPRINT, "old")
    else:
        members.store.client.log_text(parent.info.run_id, '{"members": ', "sweep.json")
    members.add(3, {"lr": "3"})
    members.group()
    assert [run.info.run_id for run in members.parents()] == [parent.info.run_id]
    assert [line["lr"] for line in members.table()] == ["1", "2", "3"]


def test_run_that_is_made_anew_takes_the_place_of_the_old_one(members: Members) -> None:
    old = members.add(1, {"lr": "1"})
    members.add(2, {"lr": "2"})
    members.group()
    members.store.client.delete_run(old)
    members.add(1, {"lr": "1"}, 60.0)
    members.group()
    assert [(line["experiment"], line["valid/COSIA/miou"]) for line in members.table()] == [
        *(("exp-001", "60.0"), ("exp-002", "50.0")),
    ]


def test_failed_run_is_listed_and_compared_with_nothing(members: Members) -> None:
    members.add(1, {"lr": "1"})
    tags = {names.ROW: "LC-A", names.BASELINE: BASELINE, names.UNGROUPED: "yes", names.ROW_KEY: "f"}
    run = members.store.client.create_run(members.experiment, tags=tags, run_name="broken", start_time=1)
    members.group()
    assert members.parents()[0].info.status == "RUNNING"
    members.store.client.set_terminated(run.info.run_id, "FAILED", end_time=2)
    members.store.client.set_tag(run.info.run_id, names.UNGROUPED, "yes")
    members.group()
    assert members.parents()[0].info.status == "FINISHED"
    assert [(line["experiment"], line["status"]) for line in members.table()] == [
        *(("broken", "FAILED"), ("exp-001", "FINISHED")),
    ]


def test_one_more_experiment_costs_the_same_however_many_there_are(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []
    search = members.store.client.search_runs

    def counted(*arguments: Any, **options: Any) -> Any:
        found = search(*arguments, **options)
        loaded[-1] += len(found)
        return found

    monkeypatch.setattr(members.store.client, "search_runs", counted)
    for number in range(1, 13):
        members.add(number, {"lr": str(number)})
        loaded.append(0)
        members.group()
    assert loaded[2:] == loaded[2:3] * 10
    loaded.append(0)
    members.group()
    assert loaded[-1] == 0  # nothing to do


def test_sweep_without_experiments_loses_its_parent(members: Members) -> None:
    run = members.add(1, {"lr": "1"})
    members.group()
    members.store.client.delete_run(run)
    members.group(whole=True)
    assert members.parents() == []


def test_baseline_of_many_commits_is_found(members: Members) -> None:
    """Its commits need several tags."""
    run = members.add(0, {"lr": "0"}, start=True)
    commits = [f"{number:040x}" for number in range(400)] + [BASELINE]
    for tag, text in names.listed(names.REVISIONS, commits).items():
        members.store.client.set_tag(run, tag, text)
    members.add(1, {"lr": "1"})
    members.group()
    assert [line["experiment"] for line in members.table()] == ["(baseline)", "exp-001"]
