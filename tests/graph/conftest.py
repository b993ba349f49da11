"""A small clone of the repository in which the real graph runs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
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

    def environment(self, **changed: str | None) -> dict[str, str]:
        """As on a user's machine - bytecode is written beside the sources - with changes; None: not set."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "FLAIRHUB_", "MLFLOW_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "FLAIRHUB_PROGRESS": "0", "PYTHONPATH": None, "PYTHONDONTWRITEBYTECODE": None}
        return {name: value for name, value in (inherited | own | changed).items() if value is not None}

    def start(self, *command: str, output: Path, **environment: str | None) -> subprocess.Popen[bytes]:
        """Begin a command as the leader of a session that hears signals; what it says is appended to a file."""
        with output.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(**environment),
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_hear_signals,  # noqa: PLW1509 - no threads here
            )

    def run(self, *command: str, check: bool = True, **environment: str | None) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment inside the clone."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    def contents(self, *names: str) -> dict[str, bytes]:
        """Path -> bytes of these files, and of those in these folders."""
        places = [self.folder / name for name in names]
        files = [path for place in places for path in (sorted(place.rglob("*")) if place.is_dir() else [place])]
        kept = [path for path in files if path.is_file() and path.name != ".gitignore" and path.suffix != ".pyc"]
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in kept}

    def repro(self, *arguments: str) -> set[str]:
        """`dvc repro`; returns the stages that ran."""
        return ran(self.run("dvc", "repro", *arguments).stdout)

    def use(self, *arguments: str) -> None:
        """`flairhub use sample` with the tiny data set."""
        self.flairhub("use", "sample", "--force", "--set", *TINY, *arguments)

    def flairhub(
        self, *arguments: str, check: bool = True, **environment: str | None
    ) -> subprocess.CompletedProcess[str]:
        """The command line of the clone's own package."""
        own = {"PYTHONPATH": str(self.folder / "src")} | environment
        return self.run(sys.executable, "-m", "flairhub.cli.main", *arguments, check=check, **own)

    def identify(self) -> None:
        """Say who commits."""
        self.run("git", "config", "user.email", "test@example.org")
        self.run("git", "config", "user.name", "test")

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "--allow-empty", "-m", message)


def _hear_signals() -> None:
    """Also where the tests were started with `nohup` or in the background, which ignore some."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


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
    clone.identify()
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


def repaint(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Rewrite an archive of rasters: other pixels, all else as before."""
    from rasterio.io import MemoryFile

    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            with MemoryFile(content) as memory, memory.open() as image:
                profile, pixels = image.profile, image.read()
            with MemoryFile() as memory:
                with memory.open(**profile) as image:
                    image.write(change(pixels).astype(profile["dtype"]))
                archive.writestr(zipfile.ZipInfo(name), memory.read())


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Clone:
    """A clone in which the graph has run once with LC-A and LC-G, committed."""
    clone = new_clone(tmp_path_factory.mktemp("graph") / "first")
    clone.use("--rows", "LC-A,LC-G")
    clone.commit("start")
    clone.repro()
    clone.commit("results")
    return clone
