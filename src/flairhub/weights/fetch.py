"""Fetching the weights files that IGN published, one repository of the Hub per file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from flairhub.archives.checksums import sha256_of
from flairhub.catalog.released_contracts import ReleasedWeights, released_for_row
from flairhub.config.params import Params
from flairhub.config.recipe import IMAGENET, RELEASED, TRAINED
from flairhub.config.resolve import row_recipe
from flairhub.config.workspace import Workspace
from flairhub.errors import IntegrityError, MissingFileError
from flairhub.files import canonical_json
from flairhub.records.listings import WEIGHTS, read_weights
from flairhub.sources.download import Patience
from flairhub.sources.hub_file import HubFile, fetch
from flairhub.sources.meter import Meter
from flairhub.weights.locate import weights_folder

OWNER = "IGNF"
"""Organisation on the Hub that holds the repositories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedWeights:
    """Weights of others that a row needs, and that are here now."""

    row: str
    name: str
    """Of the published file, or of the encoder."""
    sha256: str
    """Of the file, or of the encoder's tensors, as the row's inputs name them."""


def fetch_weights(
    params: Params, workspace: Workspace, *, endpoint: str | None = None, progress: bool = False
) -> Iterator[FetchedWeights]:
    """Fetch the weights that rows do not train: published files, and ImageNet's for encoders that start from them.

    ImageNet's come through smp and timm, from the repositories of the Hub that these name, into the cache of the Hub's
    client: that of the process, which `surroundings.own_weights` sets.

    Args:
        params: all parameters.
        workspace: its main folder holds the store.
        endpoint: as of `fetch_released`.
        progress: draw bars.

    Raises:
        ConfigurationError: no file is published for a row.
        MissingFileError: weights are neither here nor to be had.
        DownloadError: a transfer did not succeed.
        IntegrityError: a file has another checksum than the catalog's.
    """
    from flairhub.models.pretrained import imagenet_sha256

    known: dict[str, str] = {}
    for row in params.rows:
        recipe = row_recipe(params, row)
        mono = recipe.model.mono
        if recipe.weights == RELEASED:
            path = fetch_released(row, workspace, endpoint=endpoint, progress=progress)
            yield FetchedWeights(row=row, name=path.name, sha256=sha256_of(path))
        elif recipe.weights == TRAINED and mono is not None and mono.encoder_weights == IMAGENET:
            key = canonical_json([mono.arch, mono.decoder_options])
            if key not in known:
                known[key] = imagenet_sha256(mono.arch, mono.decoder_options)
            yield FetchedWeights(row=row, name=f"ImageNet weights for {mono.arch}", sha256=known[key])


def released_name(entry: ReleasedWeights) -> str:
    """Name of a published file with its suffix."""
    return f"{entry.file.value}.safetensors"


def released_file(entry: ReleasedWeights, endpoint: str | None = None) -> HubFile:
    """A published file on the Hub."""
    return HubFile(repo=f"{OWNER}/{entry.file.value}", path=released_name(entry), kind="model", endpoint=endpoint)


def fetch_released(
    row: str,
    workspace: Workspace,
    *,
    endpoint: str | None = None,
    progress: bool = False,
    patience: Patience | None = None,
) -> Path:
    """Make sure that the published file of a row lies in `data/weights`; one that is there is never fetched.

    Args:
        row: identifier of the row.
        workspace: its main folder holds the store.
        endpoint: address of the Hub; None: the environment variable HF_ENDPOINT, else the Hub itself.
        progress: draw a bar.
        patience: of the transfer.

    Returns:
        The file. Nobody has published its checksum, unless the catalog has it: that of the first is noted.

    Raises:
        ConfigurationError: no file is published for the row; the message lists the rows that have one.
        MissingFileError: the file is neither here nor on the server.
        DownloadError: the transfer did not succeed.
        IntegrityError: it has another checksum than the catalog's, or than the file that was first fetched for the row,
            which `data/sources/weights.json` notes.
    """
    entry = released_for_row(row)
    target = weights_folder(workspace) / released_name(entry)
    if target.is_file() and entry.sha256 is None:
        return target
    file, noted = released_file(entry, endpoint), _noted(row, target.name, workspace)
    try:
        with tqdm(unit="B", unit_scale=True, desc=target.name, disable=not progress, leave=False) as bar:
            fetch(file, target, sha256=entry.sha256 or noted, meter=Meter(bar.update), patience=patience)
    except IntegrityError as error:
        if noted is None:
            raise
        raise IntegrityError(
            f"{error} {WEIGHTS} notes the first one, that of earlier results: delete its entry there to take another."
        ) from None
    except MissingFileError as error:
        raise MissingFileError(
            f"Row {row}: expected the published weights at {target} or at {file.address}, but found neither; put the "
            f"file there, or give its path in rows.{row}.weights."
        ) from error
    return target


def _noted(row: str, name: str, workspace: Workspace) -> str | None:
    """The checksum of the file as it was first fetched for a row, here or elsewhere; the note is tracked by git."""
    noted = read_weights(workspace.root / WEIGHTS).get(f"rows.{row}.weights")
    return noted.sha256 if noted is not None and noted.name == name else None
