"""One zip over HTTP as the source of the data: fetched, verified, unpacked, and the zip removed."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from flairhub.archives.checksums import Checksums, archive_entry
from flairhub.archives.folder import find_root, list_archives
from flairhub.config.pipeline import UrlParams
from flairhub.files import read_json, write_json
from flairhub.locks import locked
from flairhub.records.manifest import Manifest
from flairhub.sources.download import Patience, download
from flairhub.sources.unpack import unpack
from flairhub.sources.wanted_archives import Selection

_KNOWN = "addresses.json"
"""Address -> sha256 of what came from it, so that an address without a given checksum is fetched once."""


def pull_url(
    params: UrlParams,
    store: Path,
    selection: Selection,
    checksums: Checksums,
    *,
    progress: bool = False,
    patience: Patience | None = None,
) -> Manifest:
    """Make sure that the archives of a zip are in the store, under the first 12 digits of its sha256.

    Args:
        params: address and checksum.
        store: folder of this source, `data/archives/url`.
        selection: which archives the manifest lists; all are unpacked.
        checksums: cache of checksums.
        progress: draw bars.
        patience: of the transfer.

    Raises:
        MissingFileError: the server has no such file, or the zip holds no archive of the data set.
        DownloadError: the transfer did not succeed.
        IntegrityError: the zip has another checksum than given.
        DataError: the zip is damaged or unsafe.
    """
    store.mkdir(parents=True, exist_ok=True)
    with locked(store / ".lock"):
        sha256 = params.sha256 or _known(store).get(params.address)
        if sha256 is None or not (store / sha256[:12]).is_dir():
            sha256 = _fetch(params.address, sha256, store, progress, patience)
            write_json(store / _KNOWN, {**_known(store), params.address: sha256})
    folder = store / sha256[:12]
    names = selection.choose(list_archives(folder), params.address)
    entries = tuple(archive_entry(folder, name, checksums, progress=progress) for name in names)
    return Manifest(source={"kind": "url", "address": params.address, "sha256": sha256}, archives=entries)


def _fetch(address: str, sha256: str | None, store: Path, progress: bool, patience: Patience | None) -> str:
    name = sha256 or hashlib.sha256(address.encode()).hexdigest()
    zipped = store / f"{name[:12]}.zip"
    found = download(address, zipped, sha256=sha256, progress=progress, patience=patience)
    temporary = Path(tempfile.mkdtemp(prefix=".unpack-", dir=store))
    try:
        unpack(zipped, temporary / "content", progress=progress)
        target = store / found[:12]
        if not target.exists():
            find_root(temporary / "content").replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        zipped.unlink(missing_ok=True)
    return found


def _known(store: Path) -> dict[str, str]:
    path = store / _KNOWN
    return dict(read_json(path)) if path.is_file() else {}
