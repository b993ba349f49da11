from __future__ import annotations

from flairhub.archives.reader import PatchReader
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.facts.historical import places_by_domain
from flairhub.records.manifest import ArchiveEntry, Manifest


def manifest(*names: str) -> Manifest:
    return Manifest(
        {"kind": "local"},
        tuple(ArchiveEntry(name=n, kind="zip", size=1, sha256="a" * 64, revision=None) for n in names),
    )


def test_years_come_from_the_metadata_and_from_the_other_archives(tmp_path, store_archive):
    patch = parse_patch_id("D017-2021_AF-S1-2_1-1")
    name = archive_of(patch, "SPOT_RGBI")
    store_archive(tmp_path, name, {member_of(patch, "SPOT_RGBI"): b"", f"{name}/README": b""})
    known = ["D017-2018_AF-S1-1_1-1", "D017-2018_AF-S1-2_1-1", "D099-2020_AF-S1-1_1-1", "no patch"]
    found = places_by_domain(manifest("D017-195X_AERIAL-RLT_PAN", name), PatchReader(tmp_path), known)
    assert found == {"D017": {"AF-S1-1_1-1": ("2018",), "AF-S1-2_1-1": ("2018", "2021")}}


def test_without_a_historical_archive_nothing_is_read(tmp_path):
    assert places_by_domain(manifest("D017-2021_SPOT_RGBI"), PatchReader(tmp_path), ["D017-2018_AF-S1-1_1-1"]) == {}
