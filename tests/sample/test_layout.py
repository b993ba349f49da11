from __future__ import annotations

import pytest

from flairhub.catalog.names import parse_patch_id
from flairhub.errors import ConfigurationError
from flairhub.sample.layout import all_rois, plan
from flairhub.sample.splits import FOLDS, split_columns

from .conftest import sample_params

REAL_DEPARTMENTS = set(range(1, 96)) | set(range(971, 990))


def test_tokens_parse_and_belong_to_no_department():
    domains = plan(sample_params(train_domains=12, test_domains=8))
    assert len({domain.token for domain in domains}) == 20
    for roi in all_rois(domains):
        for patch in roi.patches:
            assert parse_patch_id(str(patch)) == patch
            assert int(patch.domain[1:]) not in REAL_DEPARTMENTS


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 9])
def test_patches_of_a_region_are_distinct_cells_of_its_rectangle(number):
    (roi, *_) = plan(sample_params(patches_per_roi=number))[0].rois
    cells = {(patch.i, patch.j) for patch in roi.patches}
    assert len(cells) == number
    assert cells <= {(i, j) for i in range(1, roi.rows + 1) for j in range(1, roi.columns + 1)}


def test_no_two_patches_overlap():
    domains = plan(sample_params(train_domains=3, rois_per_domain=10, patches_per_roi=4))
    corners = [roi.bounds(patch)[:2] for roi in all_rois(domains) for patch in roi.patches]
    for k, (left, bottom) in enumerate(corners):
        for other_left, other_bottom in corners[:k]:
            assert abs(left - other_left) > 102.3 or abs(bottom - other_bottom) > 102.3


def test_streams_are_independent_of_each_other_and_repeatable():
    first, second = plan(sample_params())[0].rois
    draw = first.stream("a").random()
    assert first.stream("a").random() == draw
    assert len({draw, first.stream("b").random(), second.stream("a").random()}) == 3
    assert first.domain_stream("a").random() == second.domain_stream("a").random()


def test_too_many_domains_are_refused():
    with pytest.raises(ConfigurationError, match="at most 20 domains"):
        plan(sample_params(train_domains=20))


def test_a_single_training_region_is_refused():
    with pytest.raises(ConfigurationError, match="at least two regions"):
        plan(sample_params(rois_per_domain=1))


@pytest.mark.parametrize(("train", "test", "rois"), [(4, 3, 10), (1, 1, 2), (2, 1, 3)])
def test_test_domains_and_valid_regions_are_disjoint_in_every_fold(train, test, rois):
    params = sample_params(train_domains=train, test_domains=test, rois_per_domain=rois, patches_per_roi=3)
    domains = plan(params)
    columns = split_columns(domains, params)
    assert tuple(columns) == FOLDS
    for split in columns.values():
        assert len(split) == (train + test) * rois * 3
        by_domain, by_roi = {}, {}
        for name, value in split.items():
            patch = parse_patch_id(name)
            by_domain.setdefault(patch.domain, set()).add(value)
            by_roi.setdefault(patch.roi_key, set()).add(value)
        tested = [token for token, values in by_domain.items() if "test" in values]
        assert len(tested) == test
        assert all(by_domain[token] == {"test"} for token in tested)
        assert all(len(values) == 1 for values in by_roi.values())
        assert set(split.values()) == {"train", "valid", "test"}


def test_the_first_fold_tests_the_last_domains_and_validates_the_asked_share():
    params = sample_params(train_domains=4, test_domains=3, rois_per_domain=10, valid_share=0.2)
    domains = plan(params)
    split = split_columns(domains, params)["split_1"]
    tested = {parse_patch_id(name).domain for name, value in split.items() if value == "test"}
    assert tested == {"D955", "D956", "D957"}
    valid = [parse_patch_id(name) for name, value in split.items() if value == "valid"]
    assert len(valid) == 8
    assert {patch.domain for patch in valid} == {"D951", "D952", "D953", "D954"}
    assert len({patch.roi for patch in valid}) == 8
