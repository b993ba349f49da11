"""What counts as a repeated inference, and which regions are drawn."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.world import EVALUATED_ON

from flairhub.errors import DataError
from flairhub.evaluation.confusion import ConfusionBuilder, ConfusionTable
from flairhub.verify.agreement import judge
from flairhub.verify.findings import Evidence, Finding, Outcome, differences, run_check, text_difference
from flairhub.verify.inference import choose_regions, other_environment
from flairhub.verify.options import VerifyOptions

TASK = "AERIAL_LABEL-COSIA"
PATCHES = tuple(f"D012-2020_AF-S1-{roi}_{n}-1" for roi in range(1, 6) for n in (1, 2))
PIXELS = 100


def table(patches: tuple[str, ...] = PATCHES, wrong: int = 0, truth: int = 1) -> ConfusionTable:
    """100 pixels per patch, all of class `truth`; in the first patch `wrong` of them predicted as class 5."""
    builder = ConfusionBuilder(TASK, 19)
    for number, patch in enumerate(patches):
        labels = np.full((1, 10, 10), truth, np.uint8)
        prediction = labels.copy()
        prediction.reshape(-1)[: wrong if number == 0 else 0] = 5
        builder.add([patch], labels, prediction)
    return builder.table()


def judged(
    again: ConfusionTable, stored: ConfusionTable, changed: tuple[str, ...] = (), share: float = 0.99
) -> Outcome:
    return judge({TASK: again}, {TASK: stored}, "confusion.parquet", ["D012-2020_AF-S1-1"], changed, share)


def test_equal_counts_of_some_patches_pass() -> None:
    outcome = judged(table(PATCHES[2:4]), table())
    assert not outcome.mismatches
    assert "2 patches of 1 regions" in outcome.detail


def test_one_pixel_fails_on_the_same_class_of_device() -> None:
    (mismatch,) = judged(table(PATCHES[:2], wrong=1), table()).mismatches
    assert mismatch.cell == f"{TASK} {PATCHES[0]}"
    assert "1.0000% of the pixels" in mismatch.found


@pytest.mark.parametrize(("wrong", "good"), [(0, True), (2, True), (3, False)])
def test_elsewhere_the_agreement_decides(wrong: int, good: bool) -> None:
    outcome = judged(table(PATCHES[:2], wrong=wrong), table(), ("torch 1 -> 2",), share=0.99)
    assert bool(outcome.mismatches) is not good
    assert f"{1 - wrong / 200:.4%}" in outcome.detail
    assert "torch 1 -> 2" in outcome.detail


def test_other_labels_fail_everywhere() -> None:
    for changed in ((), ("device_class cpu -> gpu",)):
        outcome = judged(table(PATCHES[:1], truth=2), table(PATCHES), changed, share=0.0)
        assert "labels" in outcome.mismatches[0].expected


def test_a_patch_that_was_not_stored_fails() -> None:
    assert judged(table(PATCHES[:1]), table(PATCHES[1:])).mismatches


def test_the_agreement_is_that_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 4, (3, 2, 30, 30)).astype(np.uint8)  # truth, prediction, prediction again
    tables = []
    for prediction in maps[1:]:
        builder = ConfusionBuilder(TASK, 19)
        builder.add(PATCHES[:2], maps[0], prediction)
        tables.append(builder.table())
    both = [np.array([t.dense_by(np.array([0, 1]), 2)[i] for i in range(2)]) for t in tables]
    expected = np.minimum(*both).sum() / 1800
    assert f"{expected:.4%}" in judged(tables[0], tables[1], ("other",), share=0.0).detail
    # an upper bound of the share of equal pixels
    assert expected >= (maps[1] == maps[2]).mean()


def test_regions_are_drawn_by_the_seed_alone() -> None:
    inputs: Any = SimpleNamespace(splits={"test": SimpleNamespace(patch_ids=PATCHES)})

    def draw(rois: int, seed: int) -> tuple[str, ...]:
        return choose_regions(inputs, VerifyOptions(rois=rois, seed=seed))

    everything = tuple(f"D012-2020_AF-S1-{roi}" for roi in range(1, 6))
    assert draw(0, 1) == draw(5, 1) == draw(99, 1) == everything
    assert draw(2, 1) == draw(2, 1)
    assert len({draw(2, seed) for seed in range(20)}) > 3
    assert set().union(*(draw(2, seed) for seed in range(50))) == set(everything)


def test_what_changes_last_bits_is_named() -> None:
    here = EVALUATED_ON
    assert other_environment(here, here) == ()
    assert other_environment(here, replace(here, device_class="NVIDIA H100")) == ("device_class cpu -> NVIDIA H100",)
    older = replace(here, threads=4, libraries={"torch": "1.0"})
    assert other_environment(older, here) == ("threads 4 -> 1", "torch 1.0 -> 2.14.1")


def test_differences_name_every_leaf() -> None:
    one = {"a": [1, {"b": 2.0}], "c": None, "d": True, "e": (1, 2)}
    assert list(differences(one, {"a": [1.0, {"b": 2}], "c": None, "d": True, "e": [1, 2]}, "f")) == []
    found = list(differences(one, {"a": [1, {"b": 3}], "d": 1, "e": [1], "g": 0}, "f"))
    assert [str(mismatch) for mismatch in found] == [
        "f: a[1].b: expected 2.0, found 3",
        "f: c: expected None, found nothing",
        "f: d: expected True, found 1",
        "f: e: expected 2 entries, found 1 entries",
        "f: g: expected nothing, found 0",
    ]


def test_the_first_line_that_differs_is_named() -> None:
    assert list(text_difference("f", "a\nb", "a\nb")) == []
    assert [str(m) for m in text_difference("f", "a\nb\n", "a\nc\n")] == ["f: line 2: expected b, found c"]
    assert [str(m) for m in text_difference("f", "a\n", "a\nc\n")] == ["f: line 2: expected no such line, found c"]


def test_a_file_that_cannot_be_read_fails_once_and_blocks_the_rest() -> None:
    def broken() -> None:
        raise DataError("x.json: broken")

    evidence = Evidence({"x": broken})

    def check() -> Outcome:
        return Outcome(detail=str(evidence["x"]))

    assert not evidence.readable("x")
    findings: list[Finding] = [run_check("A", 0, name, check) for name in ("first", "second")]
    assert [finding.status for finding in findings] == ["failed", "not run"]
    assert findings[0].detail == "x.json: broken"
    assert not evidence.readable("x")
    assert run_check("A", 0, "third", check).status == "not run"


def test_many_mismatches_are_counted() -> None:
    outcome = Outcome(detail="cells", mismatches=list(differences({"a": [0] * 20}, {"a": [1] * 20}, "f")))
    finding = run_check("A", 0, "x", lambda: outcome)
    assert len(finding.mismatches) == 8
    assert finding.detail == "cells (12 more mismatches)"


def test_a_table_without_entries_of_a_patch_is_zero() -> None:
    stored = replace(table(), patches=PATCHES)
    assert not judged(table(PATCHES[4:6]), stored).mismatches
