"""Fetching one large file over HTTP: resumed where the server allows it, verified, complete or absent.

The bytes collect in `<destination>.part`; beside it lies the server's validator of the version that they belong
to, so that a resumed transfer never joins two versions.
"""

from __future__ import annotations

import http.client
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tqdm import tqdm

from flairhub.archives.checksums import sha256_of
from flairhub.errors import ConfigurationError, FlairhubError, IntegrityError, MissingFileError
from flairhub.files import write_text
from flairhub.locks import locked

_LOG = logging.getLogger(__name__)
_BLOCK = 1 << 20
_RETRIED = {408, 425, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_LONGEST_WAIT_S = 60.0

Value = TypeVar("Value")


class DownloadError(FlairhubError, OSError):
    """A transfer that did not succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to insist."""

    attempts: int = 6
    """Transfers that bring no new byte, in a row, before giving up."""
    timeout_s: float = 60.0
    """Longest silence of the server, seconds."""
    backoff_s: float = 1.0
    """Pause before the second attempt, seconds; doubled each time."""


class InterruptedTransferError(Exception):
    """The transfer broke off and may be resumed."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def download(
    address: str,
    destination: Path,
    *,
    sha256: str | None,
    progress: bool = False,
    patience: Patience | None = None,
    pause: Callable[[float], Any] = time.sleep,
) -> str:
    """Fetch a file unless it is already there; a second process waits for the first.

    Args:
        address: http(s) address.
        destination: where the complete, verified file appears, in one step.
        sha256: checksum that the bytes must have; None: whatever comes is accepted.
        progress: draw a bar.
        patience: timeouts and retries; None: the defaults.
        pause: how to wait, seconds.

    Returns:
        The sha256 of the file.

    Raises:
        ConfigurationError: the address is not http(s).
        MissingFileError: the server has no such file (404, 410).
        DownloadError: the server refuses, or the transfer broke off again and again; what came is kept.
        IntegrityError: the complete file has another checksum; it is removed.
    """
    if urlsplit(address).scheme not in {"http", "https"} or not urlsplit(address).hostname:
        raise ConfigurationError(f"Expected an http or https address, but got {address!r}; correct data.url.address.")
    part = destination.with_name(destination.name + ".part")
    with locked(destination.with_name(destination.name + ".lock")):
        if destination.is_file():
            found = sha256_of(destination)
            if sha256 in {None, found}:
                return found
            destination.unlink()
        resumed = part.is_file()
        found = _transfer(address, part, sha256 is not None, progress, patience or Patience(), pause)
        if sha256 is not None and found != sha256 and resumed:
            _LOG.warning("%s: the resumed transfer has a wrong checksum; fetching it from its start", destination.name)
            _forget(part)
            found = _transfer(address, part, sha256 is not None, progress, patience or Patience(), pause)
        if sha256 is not None and found != sha256:
            _forget(part)
            raise IntegrityError(
                f"{address}: expected sha256 {sha256}, but got {found}; the file at this address is another version, "
                "or a proxy changed it. Correct the checksum or the address."
            )
        part.replace(destination)
        _forget(part)
    return found


def _transfer(
    address: str, part: Path, verified: bool, progress: bool, patience: Patience, pause: Callable[[float], Any]
) -> str:
    """Fetch until the file is complete; returns its sha256. `verified`: the caller knows the right one."""
    part.parent.mkdir(parents=True, exist_ok=True)

    def attempt() -> None:
        _attempt(address, part, verified, progress, patience.timeout_s)

    insist(attempt, address, address, part, patience, pause)
    return sha256_of(part)


def insist(
    attempt: Callable[[], Value],
    address: str,
    name: str,
    part: Path,
    patience: Patience,
    pause: Callable[[float], Any],
) -> Value:
    """Attempts until one does not break off; returns what it does.

    Args:
        attempt: goes on with the file at `part`.
        address: for errors.
        name: for the log.
        part: collects the bytes.
        patience: how long to insist.
        pause: how to wait, seconds.

    Raises:
        DownloadError: the transfer broke off again and again.
    """
    failures, most = 0, length_of(part)
    while True:
        try:
            return attempt()
        except InterruptedTransferError as error:
            length = length_of(part)
            failures = 1 if length > most else failures + 1
            most = max(most, length)
            if failures >= patience.attempts:
                raise DownloadError(
                    f"{address}: expected the whole file, but the transfer broke off after {length} bytes ({error}); "
                    "what came is kept, run the same command again to go on."
                ) from None
            wait = patience.backoff_s * 2 ** (failures - 1) if error.wait_s is None else error.wait_s
            _LOG.info("%s: %s; next attempt in %.0f s", name, error, wait)
            pause(min(wait, _LONGEST_WAIT_S))


def _attempt(address: str, part: Path, verified: bool, progress: bool, timeout_s: float) -> None:
    """One request, from where the last one broke off.

    Raises:
        InterruptedTransferError: it broke off.
        MissingFileError: there is no such file.
        DownloadError: the server refuses for good.
    """
    start, validator = length_of(part), _validator_file(part)
    headers = {"User-Agent": "flairhub", "Accept-Encoding": "identity"}
    if start and (verified or validator.is_file()):
        headers["Range"] = f"bytes={start}-"
    if start and validator.is_file():
        headers["If-Range"] = validator.read_text(encoding="utf-8")
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - `download` checks the scheme
    try:
        response = urllib.request.urlopen(request, timeout=timeout_s)  # noqa: S310 - as above
    except urllib.error.HTTPError as error:
        _judge(error, address, part)
    except (OSError, http.client.HTTPException) as error:
        raise InterruptedTransferError(str(error) or type(error).__name__) from None
    else:
        with response:
            _receive(response, part, progress)


def _judge(error: urllib.error.HTTPError, address: str, part: Path) -> None:
    """Turn a status into what to do about it."""
    with error:
        if error.code == 416:  # nothing beyond what is here: another version, or all of it without the last reply
            _forget(part)
            raise InterruptedTransferError("the server has no such range", wait_s=0) from None
        if error.code in _RETRIED:
            after = error.headers.get("Retry-After", "")
            raise InterruptedTransferError(f"status {error.code}", float(after) if after.isdigit() else None) from None
        if error.code in {404, 410}:
            raise MissingFileError(
                f"{address}: expected a file, but the server answers {error.code}; correct the address."
            ) from None
        raise DownloadError(
            f"{address}: expected a file, but the server answers {error.code} {error.reason}; check access to it."
        ) from None


def _receive(response: Any, part: Path, progress: bool) -> None:
    """Append a partial reply, or start over with a whole one."""
    start, total = 0, _number(response.headers.get("Content-Length"))
    if response.status == 206:
        match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        start = int(match[1]) if match else -1
        if start != length_of(part):
            _forget(part)
            raise InterruptedTransferError("the server sent another range than asked for", wait_s=0)
        total = _number(match[2]) if match else None
    else:
        _forget(part)
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if validator and not validator.startswith("W/"):  # a weak validator does not vouch for bytes
            write_text(_validator_file(part), validator)
    with (
        part.open("ab") as file,
        tqdm(
            total=total, initial=start, unit="B", unit_scale=True, desc=part.stem, disable=not progress, leave=False
        ) as bar,
    ):
        while block := _read(response):
            file.write(block)
            bar.update(len(block))
    if total is not None and length_of(part) != total:
        raise InterruptedTransferError(f"{length_of(part)} of {total} bytes came")


def _read(response: Any) -> bytes:
    try:
        block: bytes = response.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise InterruptedTransferError(str(error) or type(error).__name__) from None
    return block


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + ".version")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator_file(part).unlink(missing_ok=True)


def length_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
