"""What a verification finds: one typed finding per row and check, and the guard that turns broken files into findings.

Files under verification may be damaged or hostile. Whatever reading one of them raises is a named failure of the
check that reads it, never a traceback.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flairhub.errors import FlairhubError

Status = Literal["passed", "failed", "not run", "does not apply"]

LEVELS = ("records", "figures", "inference", "retraining")
"""Name of each level, by number."""

TABLE = "(table)"
"""Stands for the row where a finding is about the whole table."""

MAX_NAMED = 8
"""Mismatches of one check that are named; the others are counted."""

_BROKEN = (
    FlairhubError,
    OSError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RuntimeError,  # torch, and JSON nested too deeply
    NotImplementedError,
    MemoryError,  # a damaged size
    EOFError,
    AssertionError,
    zlib.error,
    struct.error,
)
"""Everything that a damaged file makes readers raise."""


class BlockedError(FlairhubError):
    """A check needs a file that could not be read; the check that reads it says so."""


class NotRunError(FlairhubError):
    """A check cannot be carried out here; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """One thing that is not as it should be."""

    file: str
    """File, relative to the repository."""
    cell: str
    """Which value of it, e.g. `miou` or `tasks.ALL_LABEL-LPIS.protocols.published.oa`; `sha256` for its bytes."""
    expected: str
    found: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.cell}" if self.cell else self.file
        return f"{where}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Outcome of one check of one row."""

    row: str
    level: int
    check: str
    status: Status
    detail: str
    """What was compared, why it failed as a whole, or why it was not run."""
    mismatches: tuple[Mismatch, ...] = ()
    """What differs, at most `MAX_NAMED`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a check returns."""

    detail: str
    mismatches: Sequence[Mismatch] = ()
    applies: bool = True


def run_check(row: str, level: int, check: str, action: Callable[[], Outcome]) -> Finding:
    """Run one check; never raises for a damaged file."""

    def finding(status: Status, detail: str, mismatches: Sequence[Mismatch] = ()) -> Finding:
        more = len(mismatches) - MAX_NAMED
        return Finding(
            row=row,
            level=level,
            check=check,
            status=status,
            detail=f"{detail} ({more} more mismatches)" if more > 0 else detail,
            mismatches=tuple(mismatches[:MAX_NAMED]),
        )

    try:
        outcome = action()
    except (BlockedError, NotRunError) as error:
        return finding("not run", str(error))
    except FlairhubError as error:
        return finding("failed", str(error))
    except _BROKEN as error:
        text = f"a file is not as an evaluation writes it ({type(error).__name__}: {_first_line(error)})"
        return finding("failed", text)
    if outcome.mismatches:
        return finding("failed", outcome.detail, outcome.mismatches)
    return finding("passed" if outcome.applies else "does not apply", outcome.detail)


class Evidence:
    """Files of a row, each read once; a file that cannot be read fails the first check that needs it."""

    def __init__(self, readers: Mapping[str, Callable[[], Any]]) -> None:
        self._readers = dict(readers)
        self._values: dict[str, Any] = {}
        self._broken: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        """The content of a file.

        Raises:
            BlockedError: an earlier check could not read it.
        """
        if name in self._broken:
            raise BlockedError(f"{name} could not be read, see above")
        if name not in self._values:
            self._broken.add(name)
            self._values[name] = self._readers[name]()
            self._broken.discard(name)
        return self._values[name]

    def readable(self, name: str) -> bool:
        """Whether a file can be read, without a finding about it."""
        known = name in self._broken
        try:
            self[name]
        except _BROKEN:
            if not known:
                self._broken.discard(name)
            return False
        return True


def differences(expected: Any, found: Any, file: str, cell: str = "") -> Iterator[Mismatch]:
    """Every leaf in which two pieces of plain data differ, exactly; 1 and 1.0 are equal, true and 1 are not."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in dict.fromkeys([*expected, *found]):
            one, other = expected.get(key, _ABSENT), found.get(key, _ABSENT)
            yield from differences(one, other, file, f"{cell}.{key}" if cell else str(key))
    elif isinstance(expected, list | tuple) and isinstance(found, list | tuple) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differences(one, other, file, f"{cell}[{index}]")
    elif isinstance(expected, bool) != isinstance(found, bool) or expected != found:
        yield Mismatch(file=file, cell=cell, expected=_short(expected), found=_short(found))


def text_difference(file: str, expected: str, found: str) -> Iterator[Mismatch]:
    """The first line in which two texts differ."""
    if found == expected:
        return
    lines = expected.splitlines(), found.splitlines()
    shorter = min(map(len, lines))
    number = next((n for n in range(shorter) if lines[0][n] != lines[1][n]), shorter)
    one, other = (_cut(text[number]) if number < len(text) else "no such line" for text in lines)
    yield Mismatch(file=file, cell=f"line {number + 1}", expected=one, found=other)


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


_ABSENT = _Absent()


def _short(value: Any) -> str:
    if isinstance(value, list | tuple | dict):
        return f"{len(value)} entries"
    return _cut(repr(value))


def _cut(text: str, limit: int = 100) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else "no message"
