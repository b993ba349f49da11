from __future__ import annotations

from collections import Counter

from flairhub.catalog.hub import hub_archives
from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES
from flairhub.catalog.names import parse_archive


def test_the_published_archives_are_those_of_74_domain_years():
    archives = hub_archives()
    assert len(archives) == 74 * 9 + 70 + 1
    counts = Counter(parse_archive(name).modality for name in archives if name != METADATA_ARCHIVE)
    assert counts == {name: 70 if layer.historical else 74 for name, layer in MODALITIES.items()}
    assert len({parse_archive(name).domain for name in archives if name != METADATA_ARCHIVE}) == 70


def test_every_checksum_is_of_its_own_archive():
    assert len(set(hub_archives().values())) == 737
    assert all(len(value) == 64 and int(value, 16) for value in hub_archives().values())
