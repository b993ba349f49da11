"""An end that was asked for - Ctrl-C, `kill`, a closed terminal, a pipeline that is gone - comes soon and in order.

The first signal raises KeyboardInterrupt in the main thread, whichever signal it was: what is open is closed, what is
half written is removed. Further ones change nothing. Where code outside Python does not come back, the process ends
after some seconds all the same, with everything that it started; outputs appear whole or not at all.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""Exit status after an interruption, as of a shell: 128 and the number of SIGINT."""

STAGE_S, COMMAND_S = 5.0, 8.0
"""Longest time from the signal to the end of a stage, and of a command that waits for stages, seconds."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_S = 0.5
"""Time between two looks at what started this process, seconds."""


@dataclass
class Interruption:
    """Whether this process was asked to end, and why."""

    patience_s: float
    """From the first signal until the process ends whatever it does, seconds."""
    name: str
    """Of the program, before what it says."""
    quiet: bool = False
    """Whoever started this process says that it was interrupted."""
    reason: str | None = None
    """None: nobody asked."""
    _begun: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    _raised: bool = False

    @property
    def words(self) -> str:
        """What there is to say."""
        return f"{self.name}: {self.reason or 'interrupted'}; the same command goes on from here"

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        self._begin("interrupted")
        if not self._raised:
            self._raised = True
            raise KeyboardInterrupt

    def watch(self, alive: Callable[[], bool], what: str) -> None:
        """End this process soon after something is not alive any more; `what` says so."""

        def look() -> None:
            while alive():
                time.sleep(_LOOK_S)
            self._begin(what)
            os.kill(os.getpid(), signal.SIGTERM)  # reaches the main thread, also where it waits

        threading.Thread(target=look, name="watch", daemon=True).start()

    def _begin(self, reason: str) -> None:
        if self._begun.acquire(blocking=False):
            self.reason = reason
            threading.Thread(target=self._end_anyway, name="interruption", daemon=True).start()

    def leave(self) -> NoReturn:
        """End at once, with all that this process started; waits for no thread."""
        _kill_children()
        with suppress(OSError):
            sys.stdout.flush()
            if not self.quiet:
                os.write(2, f"{self.words}\n".encode())
        os._exit(INTERRUPTED)

    def _end_anyway(self) -> None:
        if not self._over.wait(self.patience_s):
            self.leave()


def _kill_children() -> None:
    import psutil

    with suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()


@contextmanager
def interruptible(name: str, patience_s: float) -> Iterator[Interruption]:
    """Treat SIGTERM and SIGHUP as Ctrl-C, in the main thread; a signal that is ignored (`nohup`, `&`) stays so.

    Whoever leaves this block has ended in time.

    Args:
        name: of the program.
        patience_s: time to end in, seconds.
    """
    interruption = Interruption(patience_s, name)
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        before = {number: handler for number, handler in before.items() if handler not in {signal.SIG_IGN, None}}
    try:
        for number in before:
            signal.signal(number, interruption.handle)
        yield interruption
    finally:
        interruption._over.set()
        for number, handler in before.items():
            signal.signal(number, handler)
