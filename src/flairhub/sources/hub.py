"""The published data set as the source: only the archives that are wanted, each verified by its published sha256."""

from __future__ import annotations

from pathlib import Path

from flairhub.archives.store import Checksums, archive_entry
from flairhub.catalog.hub import HUB_REPO, HUB_REVISION, hub_archives
from flairhub.config.pipeline import HuggingFaceParams
from flairhub.errors import ConfigurationError
from flairhub.records.manifest import ArchiveEntry, Manifest
from flairhub.sources.download import Patience, download
from flairhub.sources.selection import Selection

ENDPOINT = "https://huggingface.co"
"""Default address of the Hub; the environment variable HF_ENDPOINT names a mirror."""


def archive_address(params: HuggingFaceParams, name: str, endpoint: str = ENDPOINT) -> str:
    """Download address of an archive at the pinned revision."""
    return f"{endpoint.rstrip('/')}/datasets/{params.repo}/resolve/{params.revision}/data/{name}.zip"


def pull_huggingface(
    params: HuggingFaceParams,
    store: Path,
    selection: Selection,
    checksums: Checksums,
    *,
    endpoint: str = ENDPOINT,
    progress: bool = False,
    patience: Patience | None = None,
) -> Manifest:
    """Make sure that the wanted archives are in the store; those that are there and verified are not fetched again.

    Args:
        params: repository and revision.
        store: folder of this source, `data/archives/huggingface`.
        selection: which archives are wanted.
        checksums: cache of checksums.
        endpoint: address of the Hub or of a mirror.
        progress: draw bars.
        patience: of the transfers.

    Raises:
        ConfigurationError: the checksums of this repository and revision are not known, or a wanted domain-year does
            not exist.
        MissingFileError: the server has not got an archive.
        DownloadError: a transfer did not succeed.
        IntegrityError: an archive has another checksum than the published one.
    """
    if (params.repo, params.revision) != (HUB_REPO, HUB_REVISION):
        raise ConfigurationError(
            f"Expected data.huggingface to be {HUB_REPO} at {HUB_REVISION}, whose checksums are known, but got "
            f"{params.repo} at {params.revision}; set these two, or use data.source `local` with your own copy."
        )
    published = hub_archives()
    entries = []
    for name in selection.choose(published, f"{params.repo}"):
        entry = _present(store, name, published[name], checksums, params.revision, progress)
        if entry is None:
            address = archive_address(params, name, endpoint)
            target = store / f"{name}.zip"
            download(address, target, sha256=published[name], progress=progress, patience=patience)
            checksums.record(target, published[name])
            entry = archive_entry(store, name, checksums, revision=params.revision)
        entries.append(entry)
    source = {"kind": "huggingface", "repo": params.repo, "revision": params.revision}
    return Manifest(source=source, archives=tuple(entries))


def _present(
    store: Path, name: str, sha256: str, checksums: Checksums, revision: str, progress: bool
) -> ArchiveEntry | None:
    if not (store / f"{name}.zip").is_file():
        return None
    entry = archive_entry(store, name, checksums, revision=revision, progress=progress)
    return entry if entry.sha256 == sha256 else None
