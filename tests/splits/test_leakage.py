"""What splits share: units, borders, and the gate."""

from __future__ import annotations

import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.splits.test_table import TOY, TOY_CSV, TOY_FILES, params

from flairhub.audit.valid import write_valid
from flairhub.catalog.names import parse_patch_id
from flairhub.errors import DataError
from flairhub.files import read_json, write_json
from flairhub.splits.leakage import TOLERANCE, _neighbours, leakage, require_disjoint
from flairhub.splits.make import make_splits
from flairhub.splits.table import SPLITS, SplitTable, read_split_table

TRAIN, NEAR, SAME_ROI = "D004-2021_AA-S1-1_1-1", "D004-2021_AA-S1-1_1-2", "D004-2021_AA-S1-1_5-5"
OTHER_YEAR, TEST = "D004-2018_AA-S1-1_9-9", "D012-2019_AF-S1-27_5-10"


def table_of(train: Any, valid: Any, test: Any, **lists: Any) -> SplitTable:
    patches = {name: tuple(sorted(given)) for name, given in zip(SPLITS, (train, valid, test), strict=True)}
    empty = dict.fromkeys(("not_in_data", "not_accepted", "unassigned", "repeated"), ())
    return SplitTable(patches=patches, **(empty | lists))  # type: ignore[arg-type]  # lists by name


def index_of(facts: Any, table: SplitTable) -> Path:
    for patches in table.patches.values():
        for patch in patches:
            facts.add(patch, "AERIAL_RGBI", np.ones((4, 2, 2), np.uint8))
    return facts.write()


@pytest.mark.parametrize(
    ("valid", "test", "unit", "message"),
    [
        (SAME_ROI, TEST, "domain", None),
        (SAME_ROI, OTHER_YEAR, "domain", "train and test to share no domain .*share 1: D004"),
        (SAME_ROI, OTHER_YEAR, "roi", None),
        (TEST, SAME_ROI, "roi", "train and test to share no roi .*share 1: D004-2021_AA-S1-1\\."),
        (TEST, SAME_ROI, "patch", None),
        (TEST, TRAIN, "patch", f"train and test to share no patch .*{TRAIN}"),
        (NEAR, NEAR, "patch", "valid and test to share no patch"),
        (TRAIN, TEST, "domain", "train and valid to share no patch"),  # whatever the unit
    ],
)
def test_the_gate(valid: str, test: str, unit: Any, message: str | None) -> None:
    table = table_of([TRAIN], [valid], [test])
    if message is None:
        require_disjoint(table, unit)
    else:
        with pytest.raises(DataError, match=message):
            require_disjoint(table, unit)


PATCHES = st.lists(
    st.builds("D{:03d}-{}_UU-S1-{}_{}-1".format, st.integers(1, 4), st.sampled_from([2018, 2021]), st.integers(1, 3),
              st.integers(1, 3)),
    min_size=3, max_size=25, unique=True,
)  # fmt: skip


@given(PATCHES, st.data())
@settings(max_examples=60, deadline=None)
def test_the_gate_agrees_with_brute_force(patches: list[str], data: Any) -> None:
    sides = [data.draw(st.sampled_from(SPLITS)) for _ in patches]
    groups = {name: [p for p, side in zip(patches, sides, strict=True) if side == name] for name in SPLITS}
    table = table_of(groups["train"], groups["valid"], groups["test"])
    keys = {"roi": lambda p: parse_patch_id(p).roi_key, "domain": lambda p: parse_patch_id(p).domain}
    for unit, key in keys.items():
        meets = any(key(a) == key(b) for a, b in product(groups["test"], groups["train"] + groups["valid"]))
        if meets:
            with pytest.raises(DataError, match="to share no"):
                require_disjoint(table, unit)  # type: ignore[arg-type]  # a str where a Literal is meant
        else:
            require_disjoint(table, unit)  # type: ignore[arg-type]  # a str where a Literal is meant


def test_the_report_counts_units_and_borders(facts: Any) -> None:
    table = table_of([TRAIN], [NEAR, SAME_ROI], [OTHER_YEAR, TEST], not_in_data=tuple(f"x{k:02d}" for k in range(30)))
    report = leakage(table, index_of(facts, table), "roi")
    shared = {
        level: {pair: found["count"] for pair, found in pairs.items()} for level, pairs in report["shared"].items()
    }
    assert shared == {
        "patch": {"train-valid": 0, "train-test": 0, "valid-test": 0},
        "roi": {"train-valid": 1, "train-test": 0, "valid-test": 0},
        "domain_year": {"train-valid": 1, "train-test": 0, "valid-test": 0},
        "domain": {"train-valid": 1, "train-test": 1, "valid-test": 1},
    }
    assert report["shared"]["domain"]["train-test"]["examples"] == ["D004"]
    assert report["borders"]["train-valid"] == {
        "touching_pairs": 1, "overlapping_pairs": 0, "patches": {"train": 1, "valid": 1},
        "examples": [[TRAIN, NEAR, "touch"]],
    }  # fmt: skip
    assert report["borders"]["train-test"]["patches"] == {"train": 0, "test": 0}
    assert report["not_in_data"] == {"count": 30, "examples": [f"x{k:02d}" for k in range(20)]}
    assert (report["unit"], report["without_footprint"]) == ("roi", 0)


def test_one_place_in_two_years_is_an_overlap_although_no_unit_but_the_domain_is_shared(
    facts: Any, box_of: Any
) -> None:
    again = TRAIN.replace("2021", "2018")
    image = np.ones((4, 2, 2), np.uint8)
    table = table_of([TRAIN], [TEST], [again])
    for patch in (TRAIN, TEST, again):
        facts.add(patch, "AERIAL_RGBI", image)
    assert box_of(TRAIN) == box_of(again)
    borders = leakage(table, facts.write(), "roi")["borders"]["train-test"]
    assert (borders["touching_pairs"], borders["overlapping_pairs"]) == (0, 1)
    assert borders["examples"] == [[TRAIN, again, "overlap"]]


def test_footprints_in_different_crs_are_not_compared(facts: Any) -> None:
    table = table_of([TRAIN], [TEST], [NEAR])
    image = np.ones((4, 2, 2), np.uint8)
    facts.add(TRAIN, "AERIAL_RGBI", image).add(TEST, "AERIAL_RGBI", image)
    facts.add(NEAR, "AERIAL_RGBI", image, crs="EPSG:32631")
    assert leakage(table, facts.write(), "roi")["borders"]["train-test"]["touching_pairs"] == 0


def test_patches_without_a_readable_file_have_no_footprint(facts: Any) -> None:
    table = table_of([TRAIN], [TEST], [NEAR])
    image = np.ones((4, 2, 2), np.uint8)
    facts.add(TRAIN, "AERIAL_RGBI", image).add(TEST, "AERIAL_RGBI", image).unreadable(NEAR, "AERIAL_RGBI")
    assert leakage(table, facts.write(), "roi")["without_footprint"] == 1


BOXES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from([1, 2, 3])), min_size=1, max_size=12)


@given(BOXES, BOXES)
@settings(max_examples=80, deadline=None)
def test_neighbours_agree_with_brute_force(first: Any, second: Any) -> None:
    """Integer boxes: they touch if closed boxes meet, and overlap if open ones do."""
    a, b = (np.array([(x, y, x + size, y + size) for x, y, size in boxes], float) for boxes in (first, second))
    rows, columns, overlap = _neighbours(a, b)
    got = {(int(r), int(c)): bool(o) for r, c, o in zip(rows, columns, overlap, strict=True)}
    expected = {}
    for i, j in product(range(len(a)), range(len(b))):
        p, q = a[i], b[j]
        if max(p[0], q[0]) <= min(p[2], q[2]) and max(p[1], q[1]) <= min(p[3], q[3]):
            expected[i, j] = max(p[0], q[0]) < min(p[2], q[2]) and max(p[1], q[1]) < min(p[3], q[3])
    assert got == expected


def test_the_tolerance_is_a_share_of_the_side() -> None:
    a = np.array([[0.0, 0.0, 100.0, 100.0]])
    for gap, near in ((100 * TOLERANCE * 0.9, True), (100 * TOLERANCE * 1.1, False)):
        rows, _, overlap = _neighbours(a, a + np.array([[100 + gap, 0, 100 + gap, 0]]))
        assert len(rows) == near
        assert not overlap.any()


# the stage


@pytest.fixture
def audited(facts: Any, valid_of: Any, tmp_path: Path) -> Any:
    """Writes the facts of a split table's patches, and an audit of them that passed or not."""

    def write(table: SplitTable, failed: list[str]) -> Path:
        index = index_of(facts.splits(split_1={p: name for name in SPLITS for p in table.patches[name]}), table)
        checks = [{"name": name, "unexpected": 1, "evaluated": 3, "examples": []} for name in failed]
        report = {"success": not failed, "failed": failed, "checks": checks}
        write_json(tmp_path / "audit" / "report.json", report)
        write_valid(tmp_path / "audit" / "valid.parquet", pa.Table.from_pandas(valid_of(index)))
        return index

    return write


def test_the_stage_keeps_the_leakage_report_of_a_refused_split(audited: Any, tmp_path: Path) -> None:
    table = table_of([TRAIN], [TEST], [NEAR])
    index = audited(table, [])
    with pytest.raises(DataError, match="to share no roi"):
        make_splits(params(unit="roi"), index, tmp_path / "audit", tmp_path / "splits", tmp_path)
    assert [path.name for path in (tmp_path / "splits").iterdir()] == ["leakage.json"]
    assert make_splits(params(unit="patch"), index, tmp_path / "audit", tmp_path / "splits", tmp_path) == table
    assert sorted(path.name for path in (tmp_path / "splits").iterdir()) == [
        "leakage.json", "test.csv", "train.csv", "valid.csv",
    ]  # fmt: skip
    assert read_json(tmp_path / "splits" / "leakage.json")["borders"]["train-test"]["touching_pairs"] == 1


def test_the_stage_does_not_start_after_a_failed_audit(audited: Any, tmp_path: Path) -> None:
    index = audited(table_of([TRAIN], [TEST], [NEAR]), ["footprint"])
    with pytest.raises(DataError, match=r"footprint \(1 of 3\)"):
        make_splits(params(unit="patch"), index, tmp_path / "audit", tmp_path / "splits", tmp_path)
    assert not (tmp_path / "splits").exists()


def test_the_official_toy_files_share_regions_between_train_and_valid_and_nothing_with_test(
    facts: Any, valid_of: Any, tmp_path: Path
) -> None:
    """Known of these files: 46 regions of valid, 24 of them in train too; test has domains of its own."""
    shutil.copytree(TOY, tmp_path / "data" / "csv")
    patches = {name: read_split_table(TOY / file) for name, file in TOY_FILES.items()}
    index = index_of(facts, table_of(*patches.values()))
    write_json(tmp_path / "audit" / "report.json", {"success": True, "failed": [], "checks": []})
    write_valid(tmp_path / "audit" / "valid.parquet", pa.Table.from_pandas(valid_of(index)))
    wanted = params(method="csv", csv=TOY_CSV)
    table = make_splits(wanted, index, tmp_path / "audit", tmp_path / "splits", tmp_path)
    assert {name: len(table.patches[name]) for name in SPLITS} == {"train": 150, "valid": 50, "test": 50}
    report = read_json(tmp_path / "splits" / "leakage.json")
    shared = {unit: {pair: names["count"] for pair, names in pairs.items()} for unit, pairs in report["shared"].items()}
    assert shared["domain"] == {"train-valid": 5, "train-test": 0, "valid-test": 0}
    assert shared["roi"] == {"train-valid": 24, "train-test": 0, "valid-test": 0}
    assert len({parse_patch_id(patch).roi_key for patch in patches["valid"]}) == 46
    assert not {patch[:4] for patch in patches["test"]} & {patch[:4] for patch in patches["train"] + patches["valid"]}
