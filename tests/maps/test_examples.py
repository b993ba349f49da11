from __future__ import annotations

import hashlib
from pathlib import Path

from flairhub.maps.examples import example_patches, example_path, start_examples
from flairhub.records.examples import Examples
from flairhub.records.layout import row_files

PATCHES = [f"D012-2019_AF-S1-{roi}_1-1" for roi in range(1, 30)]


def test_the_patches_with_the_smallest_checksums_are_kept() -> None:
    ranked = sorted(PATCHES, key=lambda patch: hashlib.sha256(f"7:{patch}".encode()).hexdigest())
    assert example_patches(PATCHES, 4, 7) == tuple(sorted(ranked[:4]))
    assert example_patches(PATCHES, 4, 8) != example_patches(PATCHES, 4, 7)


def test_order_and_other_patches_do_not_change_the_choice() -> None:
    chosen = example_patches(PATCHES, 3, 2025)
    assert example_patches(reversed(PATCHES), 3, 2025) == chosen
    kept = [patch for number, patch in enumerate(PATCHES) if patch in chosen or number % 2]
    assert example_patches(kept, 3, 2025) == chosen


def test_none_and_more_than_there_are() -> None:
    assert example_patches(PATCHES, 0, 1) == ()
    assert example_patches(PATCHES[:2], 5, 1) == tuple(PATCHES[:2])


def test_the_folder_starts_empty_but_for_its_list(tmp_path: Path) -> None:
    files = row_files("X", tmp_path)
    old = example_path(files.examples, "AERIAL_LABEL-COSIA", "old")
    old.parent.mkdir(parents=True)
    old.touch()
    start_examples(files, ("a", "b"), 3)
    assert [path.name for path in files.examples.iterdir()] == ["examples.json"]
    assert Examples.read(files.examples_list) == Examples(seed=3, patches=("a", "b"))
