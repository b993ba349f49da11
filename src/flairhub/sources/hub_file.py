"""One file of a Hub repository, through the Hub's own client: tokens, mirrors, chunk storage.

The client speaks the protocol. Here is what it leaves to its caller: a transfer that was killed goes on where it
stopped, in any process; a wrong byte is never accepted; refusals that pass are waited for.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flairhub.archives.checksums import sha256_of
from flairhub.errors import IntegrityError, MissingFileError
from flairhub.locks import locked
from flairhub.sources.download import DownloadError, InterruptedTransferError, Patience, insist, length_of
from flairhub.sources.meter import Meter, client_bar

_LOG = logging.getLogger(__name__)
_RETRIED = {408, 416, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file of a repository at a revision."""

    repo: str
    """`OWNER/NAME`."""
    path: str
    """Path in the repository."""
    revision: str = "main"
    kind: str = "dataset"
    """`dataset` or `model`."""
    endpoint: str | None = None
    """Address of the Hub or of a mirror; None: HF_ENDPOINT, or the Hub itself."""

    @property
    def address(self) -> str:
        """Where the file is resolved."""
        from huggingface_hub import hf_hub_url

        return hf_hub_url(
            self.repo,
            self.path,
            repo_type=self.kind,
            revision=self.revision,
            endpoint=hub_endpoint(self.endpoint),
        )


def hub_endpoint(given: str | None = None) -> str:
    """Address of the Hub: the one given, else HF_ENDPOINT, else that of the client."""
    from huggingface_hub import constants

    return str(given or os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def fetch(
    file: HubFile,
    target: Path,
    *,
    sha256: str | None,
    meter: Meter | None = None,
    patience: Patience | None = None,
    pause: Callable[[float], Any] = time.sleep,
) -> str:
    """Fetch a file unless it is there with the right bytes; a second process waits for the first.

    Args:
        file: what to fetch.
        target: where the complete, verified file appears, in one step; `<target>.part` collects the bytes.
        sha256: checksum that the bytes must have; None: that which the Hub states for a large file, if any.
        meter: told of every block.
        patience: retries; None: the defaults.
        pause: how to wait, seconds.

    Returns:
        The SHA-256 of the file.

    Raises:
        MissingFileError: repository, revision or file do not exist, or are private to others.
        DownloadError: the Hub refuses, or the transfer broke off again and again; what came is kept.
        IntegrityError: the complete file has another checksum; it is removed.
        StoppedError: the meter was told to stop; what came is kept.
    """
    wanted, transfer = patience or Patience(), _Transfer(file, target, meter or Meter())
    with locked(target.with_name(target.name + ".lock")):
        if target.is_file():
            found = sha256_of(target)
            if sha256 in {None, found}:
                return found
            target.unlink()
        for attempt in ("resumed", "whole"):
            resumed = length_of(transfer.part) > 0
            stated = insist(
                lambda: transfer.attempt(wanted.timeout_s), file.address, file.path, transfer.part, wanted, pause
            )
            expected = sha256 or stated
            found = sha256_of(transfer.part)
            if expected in {None, found}:
                transfer.part.replace(target)
                return found
            transfer.part.unlink()
            if not resumed or attempt == "whole":
                break
            _LOG.warning("%s: the resumed transfer has a wrong checksum; fetching it from its start", target.name)
    raise IntegrityError(
        f"{file.address}: expected sha256 {expected}, but got {found}; the file is another version, or a proxy changed "
        "it. Correct the revision, or fetch it past the proxy."
    )


class _Transfer:
    """The bytes of one file that have come so far."""

    def __init__(self, file: HubFile, target: Path, meter: Meter) -> None:
        self.file = file
        self.part = target.with_name(f"{target.name}.part")
        self.meter = meter
        self.chunked = target.with_name(f"{target.name}.chunks")
        """What chunk storage assembles: not in order, so that it cannot be taken up as `part` can."""

    def attempt(self, timeout_s: float) -> str | None:
        """Fetch what is missing; returns the SHA-256 that the Hub states for a large file.

        Raises:
            InterruptedTransferError: it broke off.
            MissingFileError: there is no such file.
            DownloadError: the Hub refuses for good.
        """
        self.meter.go_on()
        import httpx2
        from huggingface_hub.errors import (
            HfHubHTTPError,
            OfflineModeIsEnabled,
            RemoteEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        try:
            return self._receive(timeout_s)
        except (RepositoryNotFoundError, RevisionNotFoundError, RemoteEntryNotFoundError) as error:
            raise MissingFileError(
                f"{self.file.address}: expected a file, but the Hub has none ({_first_line(error)}); correct "
                "repository and revision, and give a token (HF_TOKEN) where it is private."
            ) from None
        except OfflineModeIsEnabled as error:
            raise DownloadError(f"{self.file.address}: expected the network, but {_first_line(error)}.") from None
        except HfHubHTTPError as error:
            if error.response.status_code in _RETRIED:
                raise InterruptedTransferError(f"status {error.response.status_code}") from None
            raise DownloadError(
                f"{self.file.address}: expected a file, but the Hub answers {_first_line(error)}; check access to it."
            ) from None
        except httpx2.HTTPError as error:
            raise InterruptedTransferError(_first_line(error)) from None

    def _receive(self, timeout_s: float) -> str | None:
        from huggingface_hub.errors import HfHubHTTPError
        from huggingface_hub.file_download import get_hf_file_metadata, http_get, xet_get
        from huggingface_hub.utils._headers import build_hf_headers
        from huggingface_hub.utils._runtime import is_xet_available

        facts = get_hf_file_metadata(
            self.file.address, timeout=timeout_s, headers=build_hf_headers(), endpoint=hub_endpoint(self.file.endpoint)
        )
        self.part.parent.mkdir(parents=True, exist_ok=True)
        if facts.size is not None and length_of(self.part) > facts.size:
            self.part.unlink()
        headers = build_hf_headers()
        if urlsplit(facts.location).netloc != urlsplit(self.file.address).netloc:
            headers.pop("authorization", None)  # a token is for the Hub, not for where it stores files
        stated = facts.etag or ""
        sha256 = stated if len(stated) == 64 else None
        if facts.xet_file_data and is_xet_available() and not self.meter.plain and not length_of(self.part):
            xet_get(
                incomplete_path=self.chunked,
                xet_file_data=facts.xet_file_data,
                headers=headers,
                expected_size=facts.size,
                tqdm_class=client_bar(self.meter),
            )
            self.chunked.replace(self.part)
            return sha256
        with self.part.open("ab") as handle:
            try:
                http_get(
                    facts.location,
                    handle,
                    resume_size=length_of(self.part),
                    headers=headers,
                    expected_size=facts.size,
                    tqdm_class=client_bar(self.meter),
                    _nb_retries=0,
                )
            except OSError as error:
                if error.errno is not None or isinstance(error, HfHubHTTPError):
                    raise  # of this machine (no space, no permission), or of the Hub
                raise InterruptedTransferError(_first_line(error)) from None
        return sha256


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
