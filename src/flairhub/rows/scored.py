"""What the labels of a row's splits allow: a figure over no pixel is undefined, and a training on none is refused."""

from __future__ import annotations

from collections.abc import Iterator

from flairhub.catalog.taxonomies import taxonomy
from flairhub.config.recipe import TRAINED, Recipe
from flairhub.errors import DataError
from flairhub.records.classes import scored_classes
from flairhub.records.inputs_file import SPLITS, SplitName
from flairhub.records.resolution import Resolution

_SHOWN = 4
"""Classes that a message names."""


def require_scored(recipe: Recipe, resolution: Resolution) -> list[str]:
    """Refuse a training that cannot learn or choose, and say what else stays undefined.

    Args:
        recipe: of the row.
        resolution: its counts.

    Returns:
        One sentence per split and task without any scored pixel, whose figures will be undefined.

    Raises:
        DataError: the row is trained, and no task has a scored pixel in `train`, or none in `valid` although the best
            epoch is chosen by scored classes (`train.select: reported`).
    """
    refused: tuple[SplitName, ...] = ()
    if recipe.weights == TRAINED:
        refused = ("train", "valid") if recipe.train.select == "reported" else ("train",)
    notes = []
    for split in SPLITS:
        sentences = list(_empty_tasks(recipe, resolution, split))
        if split in refused and len(sentences) == len(recipe.tasks):
            raise DataError(
                f"{sentences[0]}; change labels.{recipe.tasks[0]}.class_weights, the split, or the domains of the row."
            )
        notes += [f"{sentence}: its figures on {split} are undefined." for sentence in sentences]
    return notes


def _empty_tasks(recipe: Recipe, resolution: Resolution, split: SplitName) -> Iterator[str]:
    """A sentence per task of the row without a scored pixel in a split."""
    for task, label in recipe.labels.items():
        classes = taxonomy(task, label.level)
        scored, pixels = scored_classes(classes, label), resolution.pixels[split][task]
        if any(pixels[index] for index in scored):
            continue
        present = [index for index, number in enumerate(pixels) if number]
        yield (
            f"Row {recipe.row}: expected pixels of scored classes of {task} in {split}, but its "
            f"{resolution.used[split]} patches hold only {_named(present, classes.classes)}, of weight 0, and none of "
            f"{_named(scored, classes.classes)}"
        )


def _named(indices: list[int] | tuple[int, ...], names: tuple[str, ...]) -> str:
    shown = ", ".join(f"{names[index]} ({index})" for index in indices[:_SHOWN])
    return shown + (f" and {len(indices) - _SHOWN} more" if len(indices) > _SHOWN else "")
