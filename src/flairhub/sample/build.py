"""Writing the embedded data set: archives in the published layout, drawn by a seeded generator."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tqdm import tqdm

from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES
from flairhub.catalog.names import archive_of, member_of
from flairhub.config.pipeline import SampleParams
from flairhub.sample.layers import render_roi
from flairhub.sample.layout import Domain, all_rois, plan
from flairhub.sample.metadata import metadata_members
from flairhub.sample.splits import split_columns
from flairhub.sample.zips import add, create_zip, write_zip


def build_sample(params: SampleParams, folder: Path, *, progress: bool = False) -> None:
    """Write all archives of the embedded data set into a folder.

    The same parameters give the same bytes. A kill at any moment leaves nothing at `folder`: the archives are
    written into a hidden sibling, which takes the folder's name at the end. The caller holds a lock on the
    folder: remains of a killed run are removed, and a folder of that name is replaced.

    Args:
        params: size and seed of the data set.
        folder: destination; afterwards it holds nothing but the archives.
        progress: whether a bar is shown.

    Raises:
        ConfigurationError: the parameters ask for more domains than there are free names, or too few regions.
    """
    domains = plan(params)
    with _replaced(folder) as temporary:
        dates: dict[str, dict[str, tuple[str, ...]]] = {}
        with tqdm(total=sum(len(d.rois) for d in domains), disable=not progress, desc="sample", unit="region") as bar:
            for position, domain in enumerate(domains):
                for key, roi_dates in _write_domain(temporary, domain, position, params):
                    dates[key] = roi_dates
                    bar.update()
        members = metadata_members(list(all_rois(domains)), dates, split_columns(domains, params))
        write_zip(temporary / f"{METADATA_ARCHIVE}.zip", members, deflated=True)


def _write_domain(
    folder: Path, domain: Domain, position: int, params: SampleParams
) -> Iterator[tuple[str, dict[str, tuple[str, ...]]]]:
    """Write the archives of one domain; yields each region's key and dates when its files are in."""
    with ExitStack() as stack:
        first = domain.rois[0].patches[0]
        archives = {
            # Half of the archives of every domain, and half of every modality's, are deflated, the others stored.
            modality: stack.enter_context(
                create_zip(folder / f"{archive_of(first, modality)}.zip", deflated=(position + number) % 2 == 0)
            )
            for number, modality in enumerate(MODALITIES)
        }
        for roi in domain.rois:
            layers = render_roi(roi, params)
            for modality, patch, data in layers.files():
                add(archives[modality], member_of(roi.patches[patch], modality), data)
            yield roi.key, layers.dates


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """Yield an empty sibling that becomes `folder` on success and disappears on error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}.building-"
    for remains in folder.parent.glob(f"{prefix}*"):
        shutil.rmtree(remains)
    temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
