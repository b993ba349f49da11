"""The embedded sample as the source of the data: drawn once per set of parameters and generator."""

from __future__ import annotations

from pathlib import Path

from flairhub.archives.checksums import Checksums, archive_entry
from flairhub.archives.find import find_archive
from flairhub.archives.folder import list_archives
from flairhub.config.pipeline import SampleParams
from flairhub.files import canonical_json, read_json, sha256_text, write_json
from flairhub.locks import locked
from flairhub.records.manifest import Manifest
from flairhub.sources.wanted_archives import Selection

_COMPLETE = ".complete.json"
"""Archive -> sha256, written when all of them are there."""


def sample_key(params: SampleParams, code: str) -> str:
    """Name of a sample: 16 hex digits over its parameters and the fingerprint of the generator's code."""
    return sha256_text(canonical_json({"params": params.model_dump(mode="json"), "code": code}))[:16]


def pull_sample(
    params: SampleParams,
    store: Path,
    selection: Selection,
    checksums: Checksums,
    *,
    code: str,
    progress: bool = False,
) -> Manifest:
    """Make sure that a sample is in the store, drawing it where it is absent, incomplete or damaged.

    Args:
        params: what to draw.
        store: folder of this source, `data/archives/sample`.
        selection: which archives the manifest lists; all are drawn.
        checksums: cache of checksums.
        code: fingerprint of the generator's code.
        progress: draw bars.

    Raises:
        ConfigurationError: a wanted domain-year is not in the sample.
    """
    key = sample_key(params, code)
    folder = store / key
    with locked(store / f".{key}.lock"):
        if not _complete(folder, checksums):
            _build(params, folder, checksums, progress=progress)
    names = selection.choose(list_archives(folder), "the sample")
    entries = tuple(archive_entry(folder, name, checksums, progress=progress) for name in names)
    return Manifest(source={"kind": "sample", "key": key}, archives=entries)


def _complete(folder: Path, checksums: Checksums) -> bool:
    marker = folder / _COMPLETE
    if not marker.is_file():
        return False
    expected: dict[str, str] = read_json(marker)
    if set(list_archives(folder)) != set(expected):
        return False
    return all(checksums.sha256(find_archive(folder, name)[0]) == sha256 for name, sha256 in expected.items())


def _build(params: SampleParams, folder: Path, checksums: Checksums, *, progress: bool) -> None:
    from flairhub.sample.build import build_sample

    build_sample(params, folder, progress=progress)  # whole or not at all; without the marker it is drawn again
    found = {name: checksums.sha256(find_archive(folder, name)[0]) for name in list_archives(folder)}
    write_json(folder / _COMPLETE, found)
