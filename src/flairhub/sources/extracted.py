"""Archives unpacked once beside the store, for machines that read files faster than members of zips.

    <main>/.flairhub/extracted/
        <first 16 digits of the archive's sha256>/NAME/...    the files of one archive; complete where it is there
        views/<digest of names and checksums>/NAME            links to those of one row

What is unpacked belongs to the bytes of an archive, so that several versions of the data lie beside each other. Readers
hold every file against the CRC-32 of the index, as they do members of a zip.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from flairhub.archives.checksums import checksums_of, find_archive, verify
from flairhub.archives.locate import archive_folder
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.errors import DataError, MissingFileError
from flairhub.files import canonical_json, sha256_text
from flairhub.locks import locked
from flairhub.records.manifest import ArchiveEntry, Manifest
from flairhub.sources.unpack import unpack

_DIGITS = 16


def reading_folder(
    manifest: Manifest, names: Iterable[str], workspace: Workspace, settings: RuntimeSettings, *, progress: bool = False
) -> Path:
    """The folder out of which patches of these archives are read on this machine, by the setting `layout`.

    With `archives` that is where they lie. With `extracted` every zip is unpacked first, unless it is already; those
    that are not here are left to whoever reads them.

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
    store = workspace.state / "extracted"
    wanted = set(names)
    entries = [entry for entry in manifest.archives if entry.name in wanted]
    with locked(store / ".lock"):
        places = {entry.name: _place(entry, folder, store, workspace, progress) for entry in entries}
        return _view({name: place for name, place in places.items() if place is not None}, store)


def _place(entry: ArchiveEntry, folder: Path, store: Path, workspace: Workspace, progress: bool) -> Path | None:
    """The folder of an archive's files, unpacked where it is a zip; None where the archive is not here."""
    target = store / entry.sha256[:_DIGITS]
    if (target / entry.name).is_dir():
        return target / entry.name
    try:
        path, kind = find_archive(folder, entry.name)
    except MissingFileError:
        return None
    if kind == "folder":
        return path
    verify(folder, entry, checksums_of(workspace), progress=progress)
    for left in store.glob(".unpack-*"):  # of a process that was killed: the lock is ours
        shutil.rmtree(left, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=".unpack-", dir=store))
    try:
        unpack(path, temporary / "content", progress=progress)
        unpacked = sorted(each.name for each in (temporary / "content").iterdir())
        if unpacked != [entry.name]:
            raise DataError(
                f"{path}: expected one folder {entry.name} in it, but got {', '.join(unpacked[:3]) or 'nothing'}; set "
                "`layout: archives` on this machine, or pack the archive again."
            )
        (temporary / "content").replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target / entry.name


def _view(places: dict[str, Path], store: Path) -> Path:
    """A folder with a link to each of these folders; its name says which, so that it never changes."""
    digest = sha256_text(canonical_json(sorted((name, str(place)) for name, place in places.items())))
    view = store / "views" / digest[:_DIGITS]
    if not view.is_dir():
        temporary = Path(tempfile.mkdtemp(prefix=".unpack-", dir=store))
        (temporary / "view").mkdir()  # with the rights that folders of this user have
        for name, place in places.items():
            (temporary / "view" / name).symlink_to(place.resolve(), target_is_directory=True)
        view.parent.mkdir(exist_ok=True)
        (temporary / "view").replace(view)
        temporary.rmdir()
    return view
