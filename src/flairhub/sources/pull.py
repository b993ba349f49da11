"""One door to every source of the data."""

from __future__ import annotations

from flairhub.archives.checksums import checksums_of
from flairhub.archives.folder import find_root, said_of_misnamed
from flairhub.archives.locate import local_folder
from flairhub.config.pipeline import DataParams
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.errors import DataError
from flairhub.records.listings import ListedArchive
from flairhub.records.manifest import Manifest
from flairhub.sources.hub import Transfers, pull_huggingface
from flairhub.sources.local import compare, list_folder, local_manifest
from flairhub.sources.sample import pull_sample
from flairhub.sources.url import pull_url
from flairhub.sources.wanted_archives import selection_of


def pull(
    data: DataParams,
    workspace: Workspace,
    settings: RuntimeSettings,
    *,
    code: str,
    progress: bool = False,
) -> Manifest:
    """Make sure that the wanted archives are on this machine, and say which bytes they have.

    Args:
        data: the source, and the part of it whose archives are fetched and listed: with the cloud mask of a wanted
            series and the metadata.
        workspace: its main folder holds the store.
        settings: its `data` is the folder of the source `local`.
        code: fingerprint of the sample generator's code, for the source `sample`.
        progress: draw bars.

    Raises:
        ConfigurationError: a row, domain, year or modality does not exist, or the source is `local` and no folder is
            set.
        MissingFileError: a folder, file or archive does not exist.
        DataError: what was found is damaged or ambiguous, or nothing that is wanted was found.
        IntegrityError: bytes differ from a given checksum.
        DownloadError: a transfer did not succeed.
    """
    selection = selection_of(data.subset)
    checksums = checksums_of(workspace)
    store = workspace.archives / data.source
    if data.source == "sample":
        manifest = pull_sample(data.sample, store, selection, checksums, code=code, progress=progress)
    elif data.source == "local":
        manifest = local_manifest(local_folder(settings), selection, checksums, progress=progress)
    elif data.source == "url":
        manifest = pull_url(data.url, store, selection, checksums, progress=progress)
    else:
        rate = None if settings.download_mb_s is None else settings.download_mb_s * 1e6
        transfers = Transfers(parallel=settings.downloads, most_bytes_per_s=rate, progress=progress)
        manifest = pull_huggingface(data.huggingface, store, selection, checksums, transfers)
    if not manifest.archives:
        wanted = ", ".join(sorted(selection.modalities or ())) or "any modality"
        raise DataError(
            f"Expected archives of {wanted} in data.source `{data.source}`, but found none; correct data.subset."
        )
    return manifest


def list_source(data: DataParams, workspace: Workspace, settings: RuntimeSettings) -> tuple[ListedArchive, ...]:
    """What pull depends on beside parameters and code: the wanted archives of the local folder, none of them hashed.

    Every other source is identified by its parameters, and verified by checksums.

    Raises:
        ConfigurationError: a domain or year does not exist, or the source is `local` and no folder is set.
        MissingFileError: the folder or archives in it do not exist.
        DataError: an archive is there twice.
    """
    if data.source != "local":
        return ()
    return list_folder(local_folder(settings), selection_of(data.subset), checksums_of(workspace))


def said_of_source(data: DataParams, settings: RuntimeSettings) -> str | None:
    """What there is to say about a local folder that was pulled: files that seem to be archives and are left out."""
    return said_of_misnamed(find_root(local_folder(settings))) if data.source == "local" else None


def require_settled(manifest: Manifest, listed: tuple[ListedArchive, ...]) -> None:
    """Make sure that the local folder did not change while it was pulled.

    Raises:
        DataError: it did.
    """
    report = compare(manifest, listed)
    if manifest.source["kind"] == "local" and not report.clean:
        names = ", ".join((*report.missing, *report.new, *report.changed))
        raise DataError(f"Expected the local folder to stay as it is while it is pulled, but {names} changed; repeat.")
