"""What a training keeps outside every output of the pipeline, so that nothing finished is ever lost.

    <main>/.flairhub/train/<key>/
        lock                 held by the one process that trains this key
        last.ckpt            Lightning's checkpoint, replaced as training goes on
        best.pt     weights of the best validation so far
        final/               the finished result, published from here

A stage that was killed after training, even after its exit and before the pipeline noted it, finds `final/`
and publishes it again without a single step.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flairhub.errors import FlairhubError
from flairhub.files import read_json, replacing, write_json
from flairhub.locks import BusyError, locked


class OrphanError(FlairhubError):
    """The pipeline that started this process is gone; its result must not be published."""


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Paths of one key's state."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """Lightning's checkpoint to resume from."""
        return self.folder / "last.ckpt"

    @property
    def best(self) -> Path:
        """Weights of the best validation so far."""
        return self.folder / "best.pt"

    @property
    def final(self) -> Path:
        """Folder of the finished result."""
        return self.folder / "final"

    @property
    def started(self) -> Path:
        """Volatile facts of this training: when it began, how often it was resumed."""
        return self.folder / "started.json"

    @contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[None]:
        """Hold the key's lock.

        Args:
            wait: wait for another process to finish (it may be the orphan of a killed run, whose finished
                result is then used); otherwise refuse.

        Raises:
            BusyError: another process holds the lock and `wait` is off.
        """
        with locked(self.folder / "lock", wait=wait):
            for path in self.folder.glob(".*"):  # half written by a process that was killed
                path.unlink()
            yield

    def finish(self, files: dict[str, Path]) -> None:
        """Make `final/` appear at once with these files (name -> source, moved)."""
        temporary = self.folder / "final.part"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name, source in files.items():
            source.replace(temporary / name)
        shutil.rmtree(self.final, ignore_errors=True)
        temporary.replace(self.final)
        self.checkpoint.unlink(missing_ok=True)
        self.best.unlink(missing_ok=True)

    def drop(self) -> bool:
        """Delete the state; False, and everything left as it is, where another process holds it."""
        try:
            with self.locked(wait=False):
                shutil.rmtree(self.folder)
        except BusyError:
            return False
        return True

    def take(self, files: dict[str, Path]) -> bool:
        """Finish with copies of files that are kept elsewhere; False where there are none."""
        if not files:
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        copies = {name: self.folder / name for name in files}
        for name, source in files.items():
            shutil.copyfile(source, copies[name])
        self.finish(copies)
        return True


def training_state(root: Path, key: str) -> TrainingState:
    """State of a training key under `<main>/.flairhub`."""
    return TrainingState(root / "train" / key[:32])


def publish(source: Path, destination: Path) -> None:
    """Copy the files of a finished result, each under a temporary name first."""
    for path in sorted(source.iterdir()):
        with replacing(destination / path.name) as temporary:
            shutil.copyfile(path, temporary)


def note_start(state: TrainingState, now_ms: int) -> dict[str, int]:
    """Record when a training first began and how often it was taken up again."""
    before = read_json(state.started) if state.started.is_file() else {"start_ms": now_ms, "resumed": -1}
    noted = {"start_ms": int(before["start_ms"]), "resumed": int(before["resumed"]) + 1}
    state.folder.mkdir(parents=True, exist_ok=True)
    write_json(state.started, noted)
    return noted


def drop_finished(root: Path, published: set[str]) -> list[str]:
    """Delete the states whose result the pipeline's lock file already holds.

    Args:
        root: `<main>/.flairhub`.
        published: keys (first 32 digits) of results that are safe elsewhere.

    Returns:
        The keys deleted; a state that another process holds - it may be publishing - is left alone.
    """
    dropped = []
    for key in sorted(published):
        state = TrainingState(root / "train" / key)
        if state.final.is_dir() and state.drop():
            dropped.append(key)
    return dropped
