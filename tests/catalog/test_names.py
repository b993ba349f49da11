"""Names of patches, files and archives: there and back, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import PatchId, archive_of, member_of, parse_archive, parse_file, parse_patch_id
from flairhub.errors import DataError

PATCH = "D012-2019_AF-S1-27_5-10"
FILE = "D012-2019_AERIAL_RGBI_AF-S1-27_5-10.tif"

patches = st.builds(
    PatchId,
    domain=st.from_regex(r"D([0-9]{3}){1,2}", fullmatch=True),
    year=st.from_regex(r"(19|20)[0-9]{2}", fullmatch=True),
    roi=st.from_regex(r"[A-Z]{2}-S[0-9]-[A-Z]?[0-9]{1,3}", fullmatch=True),
    i=st.integers(0, 999),
    j=st.integers(0, 999),
)


@st.composite
def mistyped(draw: st.DrawFn, name: str) -> str:
    """A name of which one place was changed, doubled or lost."""
    place = draw(st.integers(0, len(name) - 1))
    new = draw(st.one_of(st.characters(), st.sampled_from("0٣²_-./\n X"), st.just("")))
    return name[:place] + new + name[place + draw(st.integers(0, 1)) :]


@given(patches, st.sampled_from(list(MODALITIES)))
def test_names_lead_back_to_the_patch(patch: PatchId, modality: str) -> None:
    assert parse_patch_id(str(patch)) == patch
    archive, file = parse_archive(archive_of(patch, modality)), member_of(patch, modality).rsplit("/", 1)[1]
    assert archive is not None
    assert (archive.domain, archive.modality) == (patch.domain, modality)
    assert parse_file(file) == (archive, patch.roi, patch.i, patch.j)


@given(st.one_of(st.text(), mistyped(PATCH)))
@example(f"{PATCH}\n")
@example(PATCH.replace("_5-", "_05-"))
@example(PATCH.replace("2019", "٢٠١٩"))
def test_a_text_is_the_name_of_its_patch_or_of_none(text: str) -> None:
    """So that no two texts name one patch."""
    try:
        patch = str(parse_patch_id(text))
    except DataError:
        patch = text
    assert patch == text


@given(st.one_of(st.text(), mistyped(FILE)))
@example(f"{FILE}\n")
@example(FILE.replace("_5-", "_05-"))
def test_a_file_is_that_of_its_patch_or_of_none(name: str) -> None:
    found = parse_file(name)
    if found is not None:
        archive, roi, i, j = found
        assert f"{archive.domain}-{archive.year}_{archive.modality}_{roi}_{i}-{j}.tif" == name


@pytest.mark.parametrize("name", ["GLOBAL_ALL_MTD", "D012-2019_AERIAL", "D12-2019_AERIAL_RGBI", "D012-195X_X", ""])
def test_what_is_no_archive_of_patches(name: str) -> None:
    assert parse_archive(name) is None
