"""How many bytes have come, at which rate more may, and whether any should."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from flairhub.errors import FlairhubError


class StoppedError(FlairhubError):
    """Somebody has stopped the transfer; what came is kept."""


class Meter:
    """Counts the bytes of all transfers of a process, slows them down to a common rate, and ends them on request."""

    def __init__(
        self,
        advance: Callable[[int], Any] = lambda _: None,
        *,
        most_bytes_per_s: float | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._advance = advance
        self._rate = most_bytes_per_s
        self._stop = stop
        self._free_at = 0.0
        self._lock = threading.Lock()

    @property
    def plain(self) -> bool:
        """Whether chunk storage, which knows neither rate nor end, cannot be used."""
        return self._rate is not None or self._stop is not None

    def count(self, number: int) -> None:
        """Note bytes that came; returns when the next ones may.

        Raises:
            StoppedError: no more are wanted.
        """
        self._advance(number)
        self.go_on()
        if self._rate:
            with self._lock:
                now = time.monotonic()
                self._free_at = max(self._free_at, now) + number / self._rate
                wait = self._free_at - now
            time.sleep(max(0.0, wait))

    def go_on(self) -> None:
        """Return where the transfer may go on.

        Raises:
            StoppedError: somebody has stopped it.
        """
        if self._stop is not None and self._stop.is_set():
            raise StoppedError("The transfer was stopped; what came is kept.")


def client_bar(meter: Meter) -> Any:
    """A progress bar for the client that only tells the meter."""
    from tqdm import tqdm

    class Counted(tqdm):  # type: ignore[type-arg]  # tqdm is generic in its stubs alone
        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__(disable=True)

        def update(self, n: float | None = 1) -> bool | None:
            meter.count(int(n or 0))
            return None

    return Counted
