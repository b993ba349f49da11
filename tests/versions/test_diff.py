from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from tests.world import sample_params

from flairhub.config.params import Params
from flairhub.versions.diff import Names, compare, diff

SUMS = {"D012-2019_AERIAL_RGBI": "a", "D012-2019_SENTINEL2_TS": "b", "D012-195X_AERIAL-RLT_PAN": "c"}
ROWS = ("LC-A", "LC-D", "LC-G", "LC-K", "LPIS-F")


@cache
def full() -> Params:
    return sample_params("full")


@dataclass
class Version:
    """A version of the Hub that has not run."""

    archives: dict[str, str] | None = field(default_factory=lambda: dict(SUMS))
    rows: dict[str, Any] = field(default_factory=lambda: {row: {} for row in ROWS})
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def params(self) -> Params:
        params = full()
        kept = {row: params.rows[row].model_copy(update=changes) for row, changes in self.rows.items()}
        return params.model_copy(update={"rows": kept, **self.changes})

    def settled(self, _: str) -> bool:
        return False


def stale(old: Version, new: Version) -> tuple[str, ...]:
    return diff(old, new).rows.changed


def test_a_checksum_that_nobody_knows_is_another_one():
    assert compare({"a": None}, {"a": None}) == Names(changed=("a",))
    assert compare({"a": "1"}, {"a": "1"}) == Names()


@pytest.mark.parametrize(
    ("archive", "rows"),
    [
        ("D012-2019_AERIAL_RGBI", ("LC-A", "LC-D", "LC-K")),
        ("D012-2019_SENTINEL2_TS", ("LC-D", "LC-G", "LPIS-F")),
        ("D012-195X_AERIAL-RLT_PAN", ("LC-K",)),
        ("D012-2019_SENTINEL2_MSK-SC", ("LC-D", "LC-G", "LPIS-F")),
        ("D012-2019_ALL_LABEL-LPIS", ("LPIS-F",)),
        ("D012-2019_SPOT_RGBI", ()),
        ("GLOBAL_ALL_MTD", ROWS),
    ],
)
def test_the_rows_that_read_a_changed_archive_are_stale(archive, rows):
    assert stale(Version(), Version(archives={**SUMS, archive: "new"})) == rows


def test_a_row_of_other_domains_does_not_mind():
    chosen = {"LC-A": {"domains": ("D015-2020",)}, "LC-K": {"domains": ("D012-2019",)}}
    old, new = Version(rows=chosen), Version(rows=chosen, archives={**SUMS, "D012-2019_AERIAL_RGBI": "new"})
    assert stale(old, new) == ("LC-K",)
    older = Version(rows=chosen, archives={**SUMS, "D012-195X_AERIAL-RLT_PAN": "new"})
    assert stale(old, older) == ("LC-K",)


def test_rows_come_go_and_change_by_themselves():
    old = Version(rows={"LC-A": {}, "LC-G": {}})
    new = Version(rows={"LC-A": {"train": {"epochs": 3}}, "LC-D": {}})
    assert diff(old, new).rows == Names(added=("LC-D",), removed=("LC-G",), changed=("LC-A",))


def test_another_split_concerns_every_row():
    params = full()
    other = params.split.model_copy(update={"column": "split_2"})
    assert stale(Version(), Version(changes={"split": other})) == ROWS


def test_archives_that_are_not_known_yet_may_concern_every_row():
    difference = diff(Version(), Version(archives=None))
    assert difference.archives is None
    assert difference.rows.changed == ROWS
