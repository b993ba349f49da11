"""One download at a time, in a thread of its own, that can be stopped and taken up again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from flairhub.archives.checksums import Checksums
from flairhub.config.pipeline import HuggingFaceParams
from flairhub.errors import ConfigurationError, FlairhubError
from flairhub.sources.hub import Stated, Transfers, pull_huggingface
from flairhub.sources.meter import StoppedError
from flairhub.sources.wanted_archives import Selection

State = Literal["idle", "running", "stopped", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a download is."""

    state: State = "idle"
    bytes: int = 0
    """Here, of the archives chosen."""
    total: int | None = None
    """None where the Hub does not say."""
    archives: int = 0
    message: str = ""


class Transfer:
    """Fetches archives into the store as the stage pull does: by the same code, with the same checks.

    Args:
        params: repository and revision.
        store: folder of the source.
        checksums: cache of checksums.
        transfers: how to fetch.
        archives: what exists, with sizes.
    """

    def __init__(
        self,
        params: HuggingFaceParams,
        store: Path,
        checksums: Checksums,
        transfers: Transfers,
        archives: Callable[[], dict[str, Stated]],
    ) -> None:
        self._params = params
        self._store = store
        self._checksums = checksums
        self._transfers = transfers
        self._archives = archives
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._progress = Progress()

    @property
    def progress(self) -> Progress:
        """At this moment."""
        with self._lock:
            return self._progress

    def start(self, selection: Selection) -> tuple[str, ...]:
        """Begin, or go on, with the archives of a selection; returns their names.

        Raises:
            ConfigurationError: the selection names what does not exist, or a download is running.
        """
        known = self._archives()
        names = selection.choose(known, "the published data set")
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise ConfigurationError("Expected no download beside the one that is running; stop it first.")
            self._stop.clear()
            sizes = [known[name].bytes for name in names]
            total = None if None in sizes else sum(size or 0 for size in sizes)
            here = sum(self._here(name) for name in names)
            self._progress = Progress(state="running", bytes=here, total=total, archives=len(names))
            self._thread = threading.Thread(target=self._run, args=(selection, names), daemon=True)
            self._thread.start()
        return names

    def stop(self) -> None:
        """End the download after the blocks that are on their way; what came is kept."""
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self, selection: Selection, names: tuple[str, ...]) -> None:
        transfers = replace(self._transfers, advance=self._advance, stop=self._stop)
        try:
            pull_huggingface(self._params, self._store, selection, self._checksums, transfers)
        except StoppedError:
            self._end("stopped", "What came is kept.", names)
        except FlairhubError as error:
            self._end("failed", str(error), names)
        except OSError as error:  # of this machine: a full disk, a folder that cannot be written
            self._end("failed", f"{self._store}: {error}", names)
        else:
            self._end("done", f"{len(names)} archives are here and verified.", names)

    def _end(self, state: State, message: str, names: tuple[str, ...]) -> None:
        with self._lock:
            here = sum(self._here(name) for name in names)
            self._progress = replace(self._progress, state=state, message=message, bytes=here)

    def _advance(self, count: int) -> None:
        with self._lock:
            self._progress = replace(self._progress, bytes=self._progress.bytes + count)

    def _here(self, name: str) -> int:
        """Bytes of an archive, or of as much of it as came."""
        paths = (self._store / f"{name}.zip", self._store / f"{name}.zip.part")
        return next((path.stat().st_size for path in paths if path.is_file()), 0)
