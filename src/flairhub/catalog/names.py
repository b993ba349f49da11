r"""Names of patches, files and archives.

A patch id is `<DOMAIN>-<YEAR>_<ROI>_<i>-<j>`; the file of a modality inserts the modality's token after
the first part. Historical images write the literal `195X` instead of the year, while the patch id keeps
the year. Verified on all 250 rows of the official toy CSV files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flairhub.catalog.modalities import MODALITIES
from flairhub.errors import DataError

HISTORICAL_YEAR = "195X"

# Digits of ASCII alone, and no zero before a number: a name that reads as a patch is the name of that patch.
_DOMAIN = r"D(?:[0-9]{3}){1,2}"
_ROI = r"[A-Z]{2}-S[0-9]-[A-Z]?[0-9]+"
_INDEX = r"(?P<i>0|[1-9][0-9]*)-(?P<j>0|[1-9][0-9]*)"
_PATCH = re.compile(rf"(?P<domain>{_DOMAIN})-(?P<year>[0-9]{{4}})_(?P<roi>{_ROI})_{_INDEX}")
_ARCHIVE = re.compile(rf"(?P<domain>{_DOMAIN})-(?P<year>[0-9]{{4}}|{HISTORICAL_YEAR})_(?P<modality>.+)")
_FILE = re.compile(rf"{_ARCHIVE.pattern}_(?P<roi>{_ROI})_{_INDEX}\.tif")


@dataclass(frozen=True, slots=True, order=True)
class PatchId:
    """A parsed patch id."""

    domain: str
    """Department token, e.g. `D012`, or two departments as in `D024047`."""
    year: str
    """Year of the aerial campaign, four digits."""
    roi: str
    """Region of interest inside the domain-year, e.g. `AF-S1-27`."""
    i: int
    """First 1-based index of the patch inside the ROI grid."""
    j: int
    """Second 1-based index."""

    @property
    def domain_year(self) -> str:
        """`<DOMAIN>-<YEAR>`: the unit of the archives."""
        return f"{self.domain}-{self.year}"

    @property
    def roi_key(self) -> str:
        """`<DOMAIN>-<YEAR>_<ROI>`: ROI names repeat between domains, this does not."""
        return f"{self.domain_year}_{self.roi}"

    @property
    def land_types(self) -> str:
        """The two letters of the ROI's dominant land types, e.g. `AF`."""
        return self.roi[:2]

    def __str__(self) -> str:
        return f"{self.roi_key}_{self.i}-{self.j}"


@dataclass(frozen=True, slots=True)
class ArchiveName:
    """A parsed archive (or extracted folder) name."""

    domain: str
    year: str
    """Four digits, or `195X`."""
    modality: str


def parse_patch_id(text: str) -> PatchId:
    """Parse `<DOMAIN>-<YEAR>_<ROI>_<i>-<j>`.

    Raises:
        DataError: `text` is not a patch id.
    """
    match = _PATCH.fullmatch(text)
    if match is None:
        raise DataError(
            f"Expected a patch id like 'D012-2019_AF-S1-27_5-10' (<DOMAIN>-<YEAR>_<ROI>_<i>-<j>), but got {text!r}."
        )
    return PatchId(match["domain"], match["year"], match["roi"], int(match["i"]), int(match["j"]))


def year_token(patch: PatchId, modality: str) -> str:
    """The year as written in the names of this modality's files."""
    return HISTORICAL_YEAR if MODALITIES[modality].historical else patch.year


def archive_of(patch: PatchId, modality: str) -> str:
    """Archive name, without suffix, that holds this patch of this modality: `D012-195X_AERIAL-RLT_PAN`."""
    return f"{patch.domain}-{year_token(patch, modality)}_{modality}"


def member_of(patch: PatchId, modality: str) -> str:
    """Path of the patch's file inside its archive: `<ARCHIVE>/<ROI>/<ARCHIVE>_<ROI>_<i>-<j>.tif`."""
    archive = archive_of(patch, modality)
    return f"{archive}/{patch.roi}/{archive}_{patch.roi}_{patch.i}-{patch.j}.tif"


def parse_archive(name: str) -> ArchiveName | None:
    """Parse an archive name without suffix; None where it is not one (for instance `GLOBAL_ALL_MTD`)."""
    match = _ARCHIVE.fullmatch(name)
    if match is None or match["modality"] not in MODALITIES:
        return None
    return ArchiveName(match["domain"], match["year"], match["modality"])


def parse_file(name: str) -> tuple[ArchiveName, str, int, int] | None:
    """Parse a raster's file name into (archive, roi, i, j); None where it is not a patch of the data set."""
    match = _FILE.fullmatch(name)
    if match is None or match["modality"] not in MODALITIES:
        return None
    archive = ArchiveName(match["domain"], match["year"], match["modality"])
    return archive, match["roi"], int(match["i"]), int(match["j"])
