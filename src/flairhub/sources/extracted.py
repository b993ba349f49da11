"""Archives in another form beside the store, for machines that read it faster than deflated members of zips.

    <main>/.flairhub/{extracted,stored}/
        <first 16 digits of the archive's sha256>/NAME/...    extracted: the files of one archive
        <first 16 digits of the archive's sha256>/NAME.zip    stored: the same zip with its members uncompressed
        views/<digest of names and checksums>/NAME[.zip]      links to those of one row

What lies there belongs to the bytes of an archive, so that several versions of the data lie beside each other, and is
complete where it is there. Readers hold every file against the CRC-32 of the index, as they do members of a zip.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flairhub.archives.checksums import checksums_of, verify
from flairhub.archives.find import find_archive
from flairhub.archives.locate import archive_folder
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.errors import DataError, MissingFileError
from flairhub.files import canonical_json, sha256_text
from flairhub.locks import locked
from flairhub.records.manifest import ArchiveEntry, Manifest
from flairhub.sources.repack import is_stored, repack
from flairhub.sources.unpack import unpack

_DIGITS = 16


def reading_folder(
    manifest: Manifest, names: Iterable[str], workspace: Workspace, settings: RuntimeSettings, *, progress: bool = False
) -> Path:
    """The folder out of which patches of these archives are read on this machine, by the setting `layout`.

    With `archives` that is where they lie. With `extracted` every zip is unpacked first, with `stored` every zip that
    has deflated members is repacked, unless it is already; those that are not here are left to whoever reads them.

    Args:
        manifest: the version of the data.
        names: archives that will be read.
        workspace: its main folder holds the store and what is unpacked.
        settings: of this machine.
        progress: draw bars.

    Raises:
        DataError: an archive is damaged, unsafe, or holds something else than its own folder.
        IntegrityError: an archive has other bytes than the manifest names, or a member others than its checksum.
        SpaceError: the disk has no room for its files.
    """
    folder = archive_folder(manifest.source, workspace, settings)
    if settings.layout == "archives":
        return folder
    make = {"extracted": _extract, "stored": _store}[settings.layout]
    store = workspace.state / settings.layout
    wanted = set(names)
    entries = [entry for entry in manifest.archives if entry.name in wanted]
    with locked(store / ".lock"):
        places = {}
        for entry in entries:
            try:
                path, kind = find_archive(folder, entry.name)
            except MissingFileError:
                path, kind = None, "zip"
            found = _found(store / entry.sha256[:_DIGITS], entry.name)
            if kind == "folder":
                places[entry.name] = path
            elif found is not None:
                places[entry.name] = found
            elif path is not None:
                verify(folder, entry, checksums_of(workspace), progress=progress)
                places[entry.name] = make(path, entry, store, progress)
        return _view({name: place for name, place in places.items() if place is not None}, store)


def _found(target: Path, name: str) -> Path | None:
    """What was made of an archive before."""
    return next((each for each in (target / name, target / f"{name}.zip") if each.exists()), None)


def _extract(path: Path, entry: ArchiveEntry, store: Path, progress: bool) -> Path:
    with _placed(store, entry) as temporary:
        unpack(path, temporary, progress=progress)
        unpacked = sorted(each.name for each in temporary.iterdir())
        if unpacked != [entry.name]:
            raise DataError(
                f"{path}: expected one folder {entry.name} in it, but got {', '.join(unpacked[:3]) or 'nothing'}; set "
                "`layout: archives` on this machine, or pack the archive again."
            )
    return store / entry.sha256[:_DIGITS] / entry.name


def _store(path: Path, entry: ArchiveEntry, store: Path, progress: bool) -> Path:
    if is_stored(path):
        return path
    with _placed(store, entry) as temporary:
        temporary.mkdir()
        repack(path, temporary / path.name, progress=progress)
    return store / entry.sha256[:_DIGITS] / path.name


@contextmanager
def _placed(store: Path, entry: ArchiveEntry) -> Iterator[Path]:
    """A name that takes its place when everything below it is there; the lock is the caller's."""
    for left in store.glob(".unpack-*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=".unpack-", dir=store))
    try:
        yield temporary / "content"
        (temporary / "content").replace(store / entry.sha256[:_DIGITS])
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _view(places: dict[str, Path], store: Path) -> Path:
    """A folder with a link to each of these; its name says which, so that it never changes."""
    digest = sha256_text(canonical_json(sorted((name, str(place)) for name, place in places.items())))
    view = store / "views" / digest[:_DIGITS]
    if not view.is_dir():
        temporary = Path(tempfile.mkdtemp(prefix=".unpack-", dir=store))
        (temporary / "view").mkdir()  # with the rights that folders of this user have
        for name, place in places.items():
            link = name if place.is_dir() else f"{name}.zip"
            (temporary / "view" / link).symlink_to(place.resolve(), target_is_directory=place.is_dir())
        view.parent.mkdir(exist_ok=True)
        (temporary / "view").replace(view)
        temporary.rmdir()
    return view
