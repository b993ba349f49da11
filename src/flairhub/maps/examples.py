"""Which test patches a row keeps its predicted class maps of, and where they lie.

The choice depends on the patch and a seed alone, so that rows with the same test patches keep the same examples
and a picture can put them side by side.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from flairhub.records.examples import Examples
from flairhub.records.layout import RowFiles


def example_patches(patches: Iterable[str], count: int, seed: int) -> tuple[str, ...]:
    """The `count` patches with the smallest checksums of `seed:patch`, sorted by name.

    Args:
        patches: test patches of a row.
        count: how many to keep; 0: none. All where there are fewer.
        seed: `evaluate.seed`.
    """
    ranked = sorted(set(patches), key=lambda patch: hashlib.sha256(f"{seed}:{patch}".encode()).hexdigest())
    return tuple(sorted(ranked[:count]))


def example_path(folder: Path, task: str, patch_id: str) -> Path:
    """`<folder>/<TASK>/<patch id>.tif`."""
    return folder / task / f"{patch_id}.tif"


def start_examples(files: RowFiles, patches: Sequence[str], seed: int) -> None:
    """Empty the folder of a row's examples and write their list into it."""
    if files.examples.is_dir():
        shutil.rmtree(files.examples)
    Examples(seed=seed, patches=tuple(patches)).write(files.examples_list)
