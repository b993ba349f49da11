"""To which patches a historical image belongs.

Its file name carries `195X` instead of a year, the patch id keeps the year of the aerial campaign, and a domain can
have several campaigns. The year is that of the patches known at the same place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from flairhub.archives.reader import Member, PatchReader
from flairhub.catalog.names import HISTORICAL_YEAR, parse_archive, parse_file
from flairhub.errors import DataError
from flairhub.records.manifest import Manifest

Places = dict[str, tuple[str, ...]]
"""`<ROI>_<i>-<j>` -> years in which the domain has a patch there, sorted."""

_PATCH_ID = re.compile(r"^(D(?:\d{3}){1,2})-(\d{4})_(.+)$")


def places_by_domain(manifest: Manifest, reader: PatchReader, patch_ids: Iterable[str]) -> dict[str, Places]:
    """Known places of every domain that has a historical archive.

    Args:
        manifest: the data version.
        reader: reads the lists of members of the domain's other archives.
        patch_ids: patches that the metadata names.
    """
    parsed = {name: archive for name in manifest.names if (archive := parse_archive(name)) is not None}
    domains = {archive.domain for archive in parsed.values() if archive.year == HISTORICAL_YEAR}
    years_by_place: dict[str, dict[str, set[str]]] = {domain: {} for domain in sorted(domains)}
    if not years_by_place:
        return {}
    for patch_id in patch_ids:
        match = _PATCH_ID.match(patch_id)
        if match is not None and match[1] in years_by_place:
            years_by_place[match[1]].setdefault(match[3], set()).add(match[2])
    for name, archive in parsed.items():
        if archive.domain in years_by_place and archive.year != HISTORICAL_YEAR:
            for member in _members(reader, name):
                file = parse_file(member.name.rsplit("/", 1)[-1])
                if file is not None:
                    years_by_place[archive.domain].setdefault(f"{file[1]}_{file[2]}-{file[3]}", set()).add(archive.year)
    return {
        domain: {place: tuple(sorted(years)) for place, years in years_by_place[domain].items()}
        for domain in years_by_place
    }


def _members(reader: PatchReader, archive: str) -> list[Member]:
    """Members of an archive; none of a damaged one, whose own summary says so."""
    try:
        return reader.members(archive)
    except DataError:
        return []
