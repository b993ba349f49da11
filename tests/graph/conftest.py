"""A small clone of the repository in which the real graph runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KEPT = (
    "src",
    "stages",
    "profiles",
    "data/csv",
    "data/sources",
    ".dvc",
    ".dvcignore",
    ".gitignore",
    "dvc.yaml",
    "requirements.lock",
)
TINY = (
    "data.sample.train_domains=1",
    "data.sample.test_domains=1",
    "data.sample.rois_per_domain=4",
    "data.sample.patches_per_roi=2",
    "data.sample.valid_share=0.25",
    "data.sample.dates=4",
    "train.epochs=2",
    "train.validate_every=1",
    "train.threads=1",
    "train.global_batch_size=2",
    "evaluate.resamples=50",
)


@dataclass(frozen=True)
class Clone:
    """A git and DVC repository."""

    folder: Path

    def run(self, *command: str, check: bool = True, **environment: str | None) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment inside the clone; a variable that is None is not set."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "FLAIRHUB_", "MLFLOW_"))}
        # As on a user's machine: bytecode is written beside the sources.
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        inherited.pop("PYTHONPATH", None)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        variables = inherited | {"PATH": path, "FLAIRHUB_PROGRESS": "0"} | environment
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={name: value for name, value in variables.items() if value is not None},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    def repro(self, *arguments: str) -> set[str]:
        """`dvc repro`; returns the stages that ran."""
        return ran(self.run("dvc", "repro", *arguments).stdout)

    def use(self, *arguments: str) -> None:
        """`flairhub use sample` with the tiny data set."""
        sets = [word for change in TINY for word in ("--set", change)]
        self.flairhub("use", "sample", "--force", *sets, *arguments)

    def flairhub(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The command line of the clone's own package."""
        return self.run(sys.executable, "-m", "flairhub.cli.main", *arguments, check=check, PYTHONPATH="src")

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "--allow-empty", "-m", message)


def ran(output: str) -> set[str]:
    """Names of the stages that `dvc repro` ran, cached ones left out."""
    return set(re.findall(r"^Running stage '([^']+)':", output, flags=re.MULTILINE))


def new_clone(folder: Path, also: tuple[str, ...] = ()) -> Clone:
    """The working tree's files that stages and commands read, and `also`, as a fresh repository."""
    folder.mkdir(parents=True)
    for name in (*KEPT, *also):
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "cache", "tmp", "*.pyc")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    for name in ("models", "reports", "mlruns"):
        (folder / name).mkdir()
        (folder / name / ".gitkeep").touch()
    shutil.copy(ROOT / "profiles" / "sample.yaml", folder / "params.yaml")
    clone = Clone(folder)
    clone.run("git", "init", "-q", "-b", "main")
    clone.run("git", "config", "user.email", "test@example.org")
    clone.run("git", "config", "user.name", "test")
    return clone


def clone_with_data(finished: Clone, folder: Path, *use: str) -> Clone:
    """A copy of the finished clone as `flairhub use sample` with these arguments leaves it, in which no row was ever
    trained: code, archives, index, splits and statistics stand, so that a test of rows need not make them again."""
    clone = Clone(shutil.copytree(finished.folder, folder, ignore=shutil.ignore_patterns("mlruns", "runs")))
    for name in (".flairhub/train", "models", "reports"):
        shutil.rmtree(clone.folder / name)
    clone.run("git", "checkout", "-q", "models", "reports")
    (clone.folder / "mlruns").mkdir()
    path = clone.folder / "dvc.lock"
    lock = yaml.safe_load(path.read_text())
    lock["stages"] = {name: entry for name, entry in lock["stages"].items() if "@" not in name and name != "benchmark"}
    path.write_text(yaml.safe_dump(lock, sort_keys=False))
    clone.use(*(use or ("--rows", "LC-A,LC-G")))
    clone.commit("data")
    return clone


def another_machine(first: Clone, folder: Path) -> Clone:
    """A clone that pulled the results of the first from a remote, and nothing else."""
    remote = folder / "remote"
    first.run("dvc", "remote", "add", "-f", "--local", "store", str(remote))
    first.run("dvc", "push", "-q", "-r", "store")
    first.run("git", "clone", "-q", str(first.folder), str(folder / "other"))
    other = Clone(folder / "other")
    other.run("dvc", "remote", "add", "--local", "-d", "store", str(remote))
    other.run("dvc", "pull", "-q")
    return other


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Clone:
    """A clone in which the graph has run once with LC-A and LC-G, committed."""
    clone = new_clone(tmp_path_factory.mktemp("graph") / "first")
    clone.use("--rows", "LC-A,LC-G")
    clone.commit("start")
    clone.repro()
    clone.commit("results")
    return clone
