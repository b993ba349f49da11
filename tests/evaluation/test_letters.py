from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flairhub.evaluation.paired import letter_groups

NAMES = "pqrstuv"
PAIRS = list(combinations(NAMES, 2))


@settings(max_examples=200, deadline=None)
@given(st.sets(st.sampled_from(PAIRS)))
def test_rows_share_a_letter_exactly_where_they_do_not_differ(different: Iterable[tuple[str, str]]) -> None:
    letters = letter_groups(NAMES, sorted(different))
    for pair in PAIRS:
        assert bool(set(letters[pair[0]]) & set(letters[pair[1]])) == (pair not in different)
    assert letters[NAMES[0]].startswith("a")


@given(st.permutations(PAIRS[:9]))
def test_letters_do_not_depend_on_the_order_of_pairs(pairs: list[tuple[str, str]]) -> None:
    assert letter_groups(NAMES, pairs) == letter_groups(NAMES, PAIRS[:9])


@pytest.mark.parametrize(
    ("different", "expected"),
    [
        ([], {"x": "a", "y": "a", "z": "a"}),
        ([("z", "x")], {"x": "a", "y": "ab", "z": "b"}),
        ([("x", "y"), ("x", "z"), ("y", "z")], {"x": "a", "y": "b", "z": "c"}),
    ],
)
def test_known_displays(different: Iterable[tuple[str, str]], expected: dict[str, str]) -> None:
    assert letter_groups("xyz", different) == expected
