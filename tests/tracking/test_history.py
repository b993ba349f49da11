"""Results of earlier commits and of DVC experiments, in a real git repository with a cache laid out by hand."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.world import bare_inputs, cached

from flairhub.catalog.taxonomies import COSIA
from flairhub.config.workspace import Workspace
from flairhub.errors import TrackingError
from flairhub.files import write_json
from flairhub.lineage.git import Repository
from flairhub.records.code import Fingerprint
from flairhub.records.receipt import Receipt
from flairhub.tracking.sync import SyncReport, sync

from .conftest import Rows, models


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "a")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@b")


SWEPT = (("gold-fish", 1e-3, 45.0), ("red-fox", 1e-2, 35.0))
"""Experiments: name, learning rate, mean IoU on valid."""


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


class Project(Rows):
    """A workspace under git whose results are in DVC's cache."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.clock = 1_700_000_000

    def sync(self, *rows: str, **options: Any) -> SyncReport:
        return super().sync(*rows, **{"history": True} | options)

    def git(self, *arguments: str) -> str:
        self.clock += 60
        stamps = {"GIT_AUTHOR_DATE": f"{self.clock} +0000", "GIT_COMMITTER_DATE": f"{self.clock} +0000"}
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=os.environ | stamps, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def cached(self, data: bytes, suffix: str = "") -> str:
        return cached(self.root / ".dvc" / "cache" / "files" / "md5", data, suffix)

    def train(self, row: str, seed: str, *, valid: float, rate: float = 1e-4) -> None:
        """Replace a row's outputs by those of another training."""
        self.add(row, mark=seed, valid=valid, recipe={"train": {"learning_rate": rate, "epochs": 3}})

    def begin(self, message: str = "baseline") -> str:
        """Commit a first training of LC-A; returns the commit."""
        self.train("LC-A", "1", valid=30.0)
        self.lock("LC-A")
        return self.commit(message)

    def lock(self, *rows: str) -> None:
        """Note all outputs as DVC does: cache and dvc.lock."""
        manifest = self.root / "data" / "manifest.json"
        stages: dict[str, Any] = {
            "pull": {"cmd": "p", "outs": [{"path": "data/manifest.json", "md5": self.cached(manifest.read_bytes())}]}
        }
        for row in rows:
            model = self.root / "models" / row
            listing = [
                {"md5": self.cached(path.read_bytes()), "relpath": path.name} for path in sorted(model.iterdir())
            ]
            folder = self.cached(json.dumps(listing).encode(), ".dir")
            report = self.root / "reports" / "rows" / row
            outs = [
                {"path": f"reports/rows/{row}/{path.name}", "md5": self.cached(path.read_bytes())}
                for path in sorted(report.iterdir())
            ]
            stages[f"train@{row}"] = {"cmd": "t", "outs": [{"path": f"models/{row}", "md5": folder}]}
            stages[f"evaluate@{row}"] = {"cmd": "e", "outs": outs}
        (self.root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))

    def lock_training(self, row: str) -> None:
        """Note a training as DVC does after `train@ROW`: the evaluation in the lock file is that of other weights."""
        path = self.root / "dvc.lock"
        stages = yaml.safe_load(path.read_text())["stages"]
        before = stages[f"train@{row}"]["outs"][0]["md5"]
        self.lock(row)
        after = yaml.safe_load(path.read_text())["stages"][f"train@{row}"]
        inputs = bare_inputs(Receipt.read(self.receipt(row)).recipe).plain()
        code = Fingerprint(stage="train", sha256="c" * 64, parts={}).plain()
        files = {f"data/inputs/{row}.json": inputs, "data/code/train.json": code}
        after["deps"] = [{"path": name, "md5": self.cached(json.dumps(text).encode())} for name, text in files.items()]
        stages[f"train@{row}"] = after
        stages[f"evaluate@{row}"]["deps"] = [{"path": f"models/{row}", "md5": before}]
        path.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))

    def commit(self, message: str) -> str:
        self.git("add", "dvc.lock")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def experiment(self, name: str, baseline: str, *rows: str, trained: str = "") -> str:
        """Note the present outputs as a DVC experiment, and go back to the baseline's lock file."""
        if trained:
            self.lock_training(trained)
        else:
            self.lock(*rows)
        self.git("add", "dvc.lock")
        tree = self.git("write-tree")
        commit = self.git("commit-tree", tree, "-p", baseline, "-m", name)
        self.git("update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}", commit)
        self.git("reset", "-q", "--hard", baseline)
        return commit


@pytest.fixture
def project(tmp_path: Path, empty_database: Path) -> Project:
    from dvc.repo import Repo

    found = Project(tmp_path / "p")
    found.root.mkdir()
    found.git("init", "-q", "-b", "main")
    (found.root / ".gitignore").write_text("/data\n/models\n/reports\n/runs\n/mlruns\n/.flairhub\n")
    found.git("add", ".gitignore")
    found.git("commit", "-q", "-m", "begin")
    Repo.init(str(found.root)).close()
    found.database.parent.mkdir()
    shutil.copyfile(empty_database, found.database)
    return found


@pytest.fixture
def fresh(project: Project, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Goes on with an empty store elsewhere: MLflow keeps connections to a file that was deleted in its own process."""

    def go_on() -> None:
        path = project.root / "mlruns" / "fresh" / "mlflow.db"
        path.parent.mkdir(parents=True)
        shutil.copyfile(empty_database, path)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")

    return go_on


@pytest.fixture
def run_in_copy(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SyncReport]:
    """Notes the present outputs as an experiment of a baseline, in a copy that syncs itself and is gone afterwards."""

    def run(name: str, baseline: str, *left_out: str) -> SyncReport:
        project.lock("LC-A")
        copy = tmp_path / name
        ignored = shutil.ignore_patterns("mlruns", ".flairhub", ".git", ".dvc", *left_out)
        shutil.copytree(project.root, copy, ignore=ignored)
        project.experiment(name, baseline, "LC-A")
        with monkeypatch.context() as patch:
            patch.setenv("DVC_EXP_NAME", name)
            patch.setenv("DVC_EXP_BASELINE_REV", baseline)
            report = sync(Workspace(root=copy, main=project.root), ["LC-A"], profile="sample")
        shutil.rmtree(copy)
        return report

    return run


def test_results_of_earlier_commits_come_back(project: Project, fresh: Callable[[], None]) -> None:
    first = project.begin("first")
    project.train("LC-A", "2", valid=40.0)
    project.train("LC-B", "1", valid=10.0)
    project.lock("LC-A", "LC-B")
    second = project.commit("second")
    (project.root / "dvc.lock").write_text((project.root / "dvc.lock").read_text() + "# touched\n")
    third = project.commit("nothing new")
    report = project.sync("LC-A", "LC-B")
    assert report.created == ("LC-A", "LC-B", f"LC-A of {first[:7]}")
    client = project.client
    found = {
        (run.info.run_name, run.data.metrics[f"valid/{COSIA}/miou"]): run.data.tags["dvc.revisions"]
        for run in client.search_runs([project.store.experiment("flairhub/sample")])
    }
    both = f"{third},{second}"
    assert found == {("LC-A", 30.0): first, ("LC-A", 40.0): both, ("LC-B", 10.0): both}
    registered = models(client)
    assert len(registered["flairhub.sample.LC-A"]["versions"]) == 2
    again = project.sync("LC-A", "LC-B")
    assert (again.created, again.completed, len(again.unchanged)) == ((), (), 3)
    fresh()
    project.sync("LC-A", "LC-B")
    assert models(project.client) == registered


def test_run_from_the_cache_shows_what_the_workspace_showed(project: Project, fresh: Callable[[], None]) -> None:
    """In another clone everything but what only that workspace knew: times, costs, host."""
    commit = project.begin("first")
    project.sync("LC-A")
    with_files = project.shown()["LC-A"]
    for name in ("models", "reports", "runs", "data", ".flairhub"):
        shutil.rmtree(project.root / name)
    fresh()
    assert project.sync().created == (f"LC-A of {commit[:7]}",)
    without = project.shown()["LC-A"]
    assert without["params"] == with_files["params"]
    assert without["artifacts"] == with_files["artifacts"]
    assert without["inputs"] == with_files["inputs"]
    kept = {key: value for key, value in with_files["history"].items() if not key.startswith("cost/")}
    assert without["history"] == kept
    volatile = {"mlflow.source.git.commit", "run.host", "run.git_commit", "run.git_dirty"}
    assert without["tags"] == {key: value for key, value in with_files["tags"].items() if key not in volatile}


def make_sweep(project: Project) -> str:
    project.train("LC-A", "1", valid=30.0, rate=1e-4)
    project.train("LC-B", "1", valid=10.0)
    project.lock("LC-A", "LC-B")
    baseline = project.commit("baseline")
    for name, rate, valid in SWEPT:
        project.train("LC-A", name, valid=valid, rate=rate)
        project.experiment(name, baseline, "LC-A", "LC-B")
    project.train("LC-A", "1", valid=30.0, rate=1e-4)
    return baseline


def test_experiments_of_a_baseline_become_children_of_one_parent(project: Project, fresh: Callable[[], None]) -> None:
    baseline = make_sweep(project)
    project.sync("LC-A", "LC-B")
    found = project.shown()
    parent = f"LC-A sweep {baseline[:7]}"
    both = "gold-fish,red-fox"
    assert sorted(found) == ["LC-A", "LC-A gold-fish", "LC-A red-fox", parent, f"LC-B {both}"]
    assert {name for name, run in found.items() if run["tags"].get("mlflow.parentRunId") == parent} == {
        "LC-A gold-fish",
        "LC-A red-fox",
    }
    assert found["LC-A gold-fish"]["tags"]["dvc.baseline"] == baseline
    tags = {key: text for key, text in found[parent]["tags"].items() if key.startswith(("sweep.", "best."))}
    assert tags == {
        "sweep.experiments": "2",
        "sweep.varied": "train.learning_rate",
        "best.experiment": "gold-fish",  # best on valid; red-fox is better on test
        "best.train.learning_rate": "0.001",
    }
    assert found[parent]["history"][f"best/valid/{COSIA}/miou"] == [(2, 45.0)]
    assert found[parent]["history"][f"baseline/valid/{COSIA}/miou"] == [(2, 30.0)]
    assert found[parent]["artifacts"] == ["sweep.csv", "sweep.json"]
    assert found[parent]["status"] == "FINISHED"
    assert project.sync("LC-A", "LC-B").created == ()
    assert project.shown() == found
    fresh()
    project.sync("LC-A", "LC-B")
    assert project.shown() == found


def test_table_of_a_sweep_lists_baseline_and_experiments(project: Project) -> None:
    baseline = make_sweep(project)
    project.sync("LC-A", "LC-B")
    client, experiment = project.client, project.store.experiment("flairhub/sample")
    parent = client.search_runs([experiment], f"attributes.run_name = 'LC-A sweep {baseline[:7]}'")[0]
    with Path(client.download_artifacts(parent.info.run_id, "sweep.csv")).open() as handle:
        lines = list(csv.DictReader(handle))
    assert [(line["experiment"], line["train.learning_rate"], line[f"valid/{COSIA}/miou"]) for line in lines] == [
        ("(baseline)", "0.0001", "30.0"),
        ("gold-fish", "0.001", "45.0"),
        ("red-fox", "0.01", "35.0"),
    ]


def test_sync_inside_an_experiment_puts_its_run_under_the_parent(
    project: Project, fresh: Callable[[], None], run_in_copy: Callable[..., SyncReport]
) -> None:
    """What single syncs in the copies make is what one sync over all references makes."""
    baseline = project.begin()
    project.sync("LC-A")
    for name, rate, valid in SWEPT:
        project.train("LC-A", name, valid=valid, rate=rate)
        assert run_in_copy(name, baseline, "runs").created == ("LC-A",)
    project.train("LC-A", "1", valid=30.0, rate=1e-4)
    parent = f"LC-A sweep {baseline[:7]}"
    incremental = project.shown()
    assert sorted(incremental) == ["LC-A", "LC-A gold-fish", "LC-A red-fox", parent]
    assert incremental["LC-A gold-fish"]["tags"]["mlflow.parentRunId"] == parent
    project.sync("LC-A")
    complete = project.shown()
    assert complete[parent] == incremental[parent] | {"times": complete[parent]["times"]}
    fresh()
    project.sync("LC-A")
    rebuilt = project.shown()
    assert sorted(rebuilt) == sorted(incremental)
    assert rebuilt[parent]["params"] == incremental[parent]["params"]


def test_times_and_costs_of_an_experiment_survive_the_store(
    project: Project, fresh: Callable[[], None], run_in_copy: Callable[..., SyncReport]
) -> None:
    """Its copy of the repository is gone by then."""
    baseline = project.begin()
    project.train("LC-A", "2", valid=40.0, rate=1e-3)
    run_in_copy("gold-fish", baseline)
    before = project.shown()["LC-A gold-fish"]
    assert before["times"] == (1_700_000_000_000, 1_700_000_060_000)
    fresh()
    project.train("LC-A", "1", valid=30.0)
    project.sync("LC-A")
    assert project.shown()["LC-A gold-fish"] == before


def test_experiments_that_end_with_the_training_come_back(project: Project, fresh: Callable[[], None]) -> None:
    baseline = project.begin()
    for name, rate, valid in SWEPT:
        project.train("LC-A", name, valid=valid, rate=rate)
        project.experiment(name, baseline, trained="LC-A")
    project.train("LC-A", "1", valid=30.0, rate=1e-4)
    report = project.sync("LC-A")
    assert report.created == ("LC-A", "LC-A of experiment red-fox", "LC-A of experiment gold-fish")
    found = project.shown()
    parent = f"LC-A sweep {baseline[:7]}"
    assert sorted(found) == ["LC-A", "LC-A gold-fish", "LC-A red-fox", parent]
    assert found[parent]["tags"]["best.experiment"] == "gold-fish"
    fish = found["LC-A gold-fish"]
    assert fish["tags"]["mlflow.parentRunId"] == parent
    assert fish["params"]["train.learning_rate"] == "0.001"
    assert fish["history"][f"valid/{COSIA}/miou"] == [(30, 45.0)]
    assert fish["history"]["history/train_loss"] == [(10, 2.5), (20, 1.25)]
    assert not any(name.startswith("test/") for name in fish["history"])
    assert "dvc.experiments" not in found["LC-A"]["tags"]  # the evaluation beside them is not theirs
    again = project.sync("LC-A")
    assert (again.created, again.completed) == ((), ())
    fresh()
    project.sync("LC-A")
    assert project.shown() == found


def test_experiment_that_changes_nothing_of_a_row_is_no_sweep(project: Project) -> None:
    baseline = project.begin()
    project.experiment("same", baseline, "LC-A")
    project.sync("LC-A")
    found = project.shown()
    assert list(found) == ["LC-A same"]
    assert "dvc.baseline" not in found["LC-A same"]["tags"]


def test_result_that_is_not_in_the_cache_is_named(project: Project) -> None:
    first = project.begin("first")
    lost = md5((project.root / "reports" / "rows" / "LC-A" / "details.json").read_bytes())
    receipt = md5(project.receipt("LC-A").read_bytes())
    project.train("LC-A", "2", valid=40.0)
    project.lock("LC-A")
    project.commit("second")
    for name in (lost, receipt):
        (project.root / ".dvc" / "cache" / "files" / "md5" / name[:2] / name[2:]).unlink()
    report = project.sync("LC-A")
    assert report.created == ("LC-A",)
    (label,) = report.skipped
    assert label == f"LC-A of {first[:7]}"
    assert "is not in DVC's cache; bring it with `dvc fetch" in report.skipped[label]


def test_receipt_of_an_older_layout_is_named(project: Project) -> None:
    project.train("LC-A", "1", valid=30.0)
    write_json(project.receipt("LC-A"), {"row": "LC-A"})
    project.lock("LC-A")
    first = project.commit("first")
    report = project.sync()
    assert "expected receipt of format 2, but got None" in report.skipped[f"LC-A of {first[:7]}"]
    assert str(project.root) not in str(report.skipped)


def test_other_references_of_dvc_are_no_experiments(project: Project) -> None:
    commit = project.begin("first")
    for name in ("refs/exps/stash", "refs/exps/celery/stash", "refs/exps/exec/EXEC_HEAD", "refs/exps/apply/ORIG_HEAD"):
        project.git("update-ref", name, commit)
    assert [revision.commit for revision in Repository(project.root).revisions()] == [commit]


def test_workspace_without_git_or_dvc(rows: Rows) -> None:
    assert Repository(rows.root).revisions() == []
    rows.add("LC-A")
    with pytest.raises(TrackingError, match="expected a DVC repository"):
        rows.sync("LC-A", history=True)
