"""The published data set as the source: only the archives that are wanted, each verified by its published sha256."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from flairhub.archives.checksums import Checksums, archive_entry
from flairhub.catalog.hub import HUB_REPO, HUB_REVISION, hub_archives
from flairhub.config.pipeline import HuggingFaceParams
from flairhub.errors import DataError
from flairhub.records.manifest import ArchiveEntry, Manifest
from flairhub.sources.download import DownloadError, Patience
from flairhub.sources.hub_file import HubFile, fetch, hub_endpoint
from flairhub.sources.meter import Meter
from flairhub.sources.wanted_archives import Selection

FOLDER = "data"
"""Of the archives in the repository."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What the Hub states of an archive."""

    bytes: int | None
    """None where the Hub was not asked."""
    sha256: str | None
    """None where it is not kept as a large file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfers:
    """How archives are fetched: settings of this machine."""

    parallel: int = 4
    """Files at a time."""
    most_bytes_per_s: float | None = None
    """Of all transfers together; None: as fast as it goes."""
    progress: bool = False
    patience: Patience | None = None
    endpoint: str | None = None
    """Address of the Hub or of a mirror; None: HF_ENDPOINT, or the Hub itself."""
    advance: Callable[[int], Any] | None = None
    """Told how many bytes came."""
    stop: threading.Event | None = None
    """Ends the transfers when it is set; what came is kept."""


def stated_archives(params: HuggingFaceParams, endpoint: str | None = None) -> dict[str, Stated]:
    """Sizes and checksums of the archives at a revision, from the Hub.

    Raises:
        DownloadError: the Hub cannot be asked, or has no such repository or revision.
    """
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    from huggingface_hub.hf_api import RepoFile

    api = HfApi(endpoint=hub_endpoint(endpoint))
    try:
        listed = list(api.list_repo_tree(params.repo, FOLDER, revision=params.revision, repo_type="dataset"))
    except (HfHubHTTPError, OfflineModeIsEnabled, httpx2.HTTPError) as error:
        text = str(error).strip() or type(error).__name__
        raise DownloadError(
            f"{api.endpoint}: expected the archives of {params.repo} at {params.revision}, but got: "
            f"{text.splitlines()[0]}; check the network, data.huggingface and, for a private one, HF_TOKEN."
        ) from None
    files = [entry for entry in listed if isinstance(entry, RepoFile) and entry.path.endswith(".zip")]
    return {Path(file.path).stem: Stated(file.size, None if file.lfs is None else file.lfs.sha256) for file in files}


def published_sums(params: HuggingFaceParams, endpoint: str | None = None) -> dict[str, str | None]:
    """Archive -> checksum that it must have: from this package for the published revision, else from the Hub.

    Raises:
        DownloadError: as `stated_archives`.
    """
    if (params.repo, params.revision) == (HUB_REPO, HUB_REVISION):
        return dict(hub_archives())
    return {name: stated.sha256 for name, stated in stated_archives(params, endpoint).items()}


def pull_huggingface(
    params: HuggingFaceParams, store: Path, selection: Selection, checksums: Checksums, transfers: Transfers
) -> Manifest:
    """Make sure that the wanted archives are in the store; those that are there and verified are not fetched again.

    Args:
        params: repository and revision.
        store: folder of this source, `data/archives/huggingface`.
        selection: which archives are wanted.
        checksums: cache of checksums.
        transfers: how to fetch.

    Raises:
        ConfigurationError: a wanted domain-year does not exist.
        MissingFileError: the Hub has not got an archive.
        DataError: the disk has not the space for what is missing.
        DownloadError: a transfer did not succeed.
        IntegrityError: an archive has another checksum than the published one.
        StoppedError: the transfers were told to stop.
    """
    published = published_sums(params, transfers.endpoint)
    names = selection.choose(published, params.repo)
    present = {name: _present(store, name, published[name], checksums, params.revision, transfers) for name in names}
    missing = [name for name in names if present[name] is None]
    if missing:
        _fetch_all(params, store, {name: published[name] for name in missing}, checksums, transfers)
    entries = tuple(present[name] or archive_entry(store, name, checksums, revision=params.revision) for name in names)
    source = {"kind": "huggingface", "repo": params.repo, "revision": params.revision}
    return Manifest(source=source, archives=entries)


def _fetch_all(
    params: HuggingFaceParams,
    store: Path,
    missing: Mapping[str, str | None],
    checksums: Checksums,
    transfers: Transfers,
) -> None:
    """Fetch several archives at a time; the first error ends those that have not begun."""
    total = _require_space(params, store, missing, transfers)
    with tqdm(total=total, unit="B", unit_scale=True, desc="archives", disable=not transfers.progress) as bar:

        def count(number: int) -> None:
            bar.update(number)
            if transfers.advance is not None:
                transfers.advance(number)

        stop = transfers.stop or threading.Event()
        meter = Meter(count, most_bytes_per_s=transfers.most_bytes_per_s, stop=stop)

        def one(name: str) -> None:
            file = HubFile(
                repo=params.repo,
                path=f"{FOLDER}/{name}.zip",
                revision=params.revision,
                endpoint=transfers.endpoint,
            )
            target = store / f"{name}.zip"
            sha256 = fetch(file, target, sha256=missing[name], meter=meter, patience=transfers.patience)
            checksums.record(target, sha256)

        pool = ThreadPoolExecutor(transfers.parallel)
        try:
            for _ in pool.map(one, missing):
                pass
        except KeyboardInterrupt:
            stop.set()  # those that have begun keep what came
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _require_space(
    params: HuggingFaceParams, store: Path, missing: Mapping[str, str | None], transfers: Transfers
) -> int | None:
    """Refuse what the disk cannot hold; returns the bytes to come, or None where the Hub does not say."""
    try:
        stated = stated_archives(params, transfers.endpoint)
    except DownloadError:
        return None  # a mirror without the Hub's listing; every file still checks itself
    sizes = {name: size for name in missing if name in stated and (size := stated[name].bytes) is not None}
    parts = {name: store / f"{name}.zip.part" for name in sizes}
    needed = sum(sizes.values()) - sum(path.stat().st_size for path in parts.values() if path.is_file())
    store.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(store).free
    if needed > free:
        raise DataError(
            f"{store}: expected {needed / 1e9:.1f} GB of free disk for {len(missing)} archives, but there are "
            f"{free / 1e9:.1f} GB; choose fewer rows or data.subset.domains (`flairhub plan`), or another disk "
            "(a link in place of data/archives)."
        )
    return needed


def _present(
    store: Path, name: str, sha256: str | None, checksums: Checksums, revision: str, transfers: Transfers
) -> ArchiveEntry | None:
    if not (store / f"{name}.zip").is_file():
        return None
    entry = archive_entry(store, name, checksums, revision=revision, progress=transfers.progress)
    return entry if sha256 in {None, entry.sha256} else None
