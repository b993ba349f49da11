from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from flairhub.errors import DataError
from flairhub.evaluation.breakdowns import GroupKind, confusion_by, group_patches
from flairhub.evaluation.confusion import ConfusionTable


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("domain", ("D012", "D068", "D083")),
        ("domain_year", ("D012-2019", "D068-2021", "D083-2020", "D083-2021")),
        ("land_type", ("A", "N", "U")),
    ],
)
def test_groups_follow_the_names(patch_names: list[str], kind: GroupKind, names: tuple[str, ...]) -> None:
    groups = group_patches(patch_names, kind)
    assert groups.names == names
    assert groups.num_patches.sum() == len(patch_names)
    for patch, group in zip(patch_names, groups.group, strict=True):
        key = patch.split("_")[1][0] if kind == "land_type" else patch
        assert key.startswith(groups.names[group])


def test_rois_of_different_domain_years_are_not_merged(patch_names: list[str]) -> None:
    groups = group_patches(patch_names, "roi")
    assert len(groups.names) == 12
    assert groups.num_patches.tolist() == [2] * 12


@pytest.mark.parametrize("kind", ["roi", "domain", "domain_year", "land_type"])
def test_groups_sum_to_the_whole(make_table: Callable[..., ConfusionTable], kind: GroupKind) -> None:
    table = make_table()
    groups, confusion = confusion_by(table, kind)
    np.testing.assert_array_equal(confusion.sum(axis=0), table.dense())
    np.testing.assert_array_equal(confusion.sum(axis=(1, 2)), groups.num_patches * 256)


def test_a_name_that_is_no_patch_is_an_error() -> None:
    with pytest.raises(DataError, match="Expected a patch id"):
        group_patches(["tile_1"], "roi")
