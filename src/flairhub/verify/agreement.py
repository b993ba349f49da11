"""Level 2: how far inference agrees with what was stored, counts of each patch and maps that were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from flairhub.evaluation.confusion import ConfusionTable, Counts
from flairhub.maps.examples import example_path
from flairhub.maps.geotiff import read_prediction
from flairhub.records.classes import row_taxonomies
from flairhub.records.examples import Examples
from flairhub.records.layout import RowFiles
from flairhub.verify.findings import Mismatch, Outcome
from flairhub.verify.row import Subject


class KeptMaps:
    """Predicted maps that were kept of a row's examples, compared with maps inferred again."""

    def __init__(self, subject: Subject, files: RowFiles) -> None:
        # further seeds keep no maps
        kept = Examples.read(files.examples_list).patches if files == subject.files else ()
        self._patches = frozenset(kept)
        self._folder = files.examples
        self._subject = subject
        self._taxonomies = row_taxonomies(subject.inputs)
        self._compared = 0
        self._wrong: list[Mismatch] = []

    def compare(self, patches: Sequence[str], task: str, maps: Tensor) -> None:
        """Compare the maps of a batch, uint8 `[B, H, W]`, as far as they were kept."""
        for patch, classes in zip(patches, maps.cpu().numpy(), strict=True):
            if patch in self._patches:
                path = example_path(self._folder, task, patch)
                different = int((read_prediction(path, self._taxonomies[task]) != classes).sum())
                self._compared += 1
                if different:
                    name = self._subject.name(path)
                    difference = f"{different} other pixels"
                    self._wrong.append(Mismatch(file=name, cell="", expected="the map of inference", found=difference))

    def added_to(self, outcome: Outcome) -> Outcome:
        """An outcome with what was found in the maps."""
        detail = f"{outcome.detail}, and {self._compared} kept maps" if self._compared else outcome.detail
        return replace(outcome, detail=detail, mismatches=[*outcome.mismatches, *self._wrong])


def judge(
    again: Mapping[str, ConfusionTable],
    stored: Mapping[str, ConfusionTable],
    file: str,
    regions: Sequence[str],
    changed: Sequence[str],
    agreement: float,
) -> Outcome:
    """Compare the confusion of each patch.

    Args:
        again: task -> confusion of the patches inferred again.
        stored: task -> confusion of all patches.
        file: name of the stored file.
        regions: regions inferred again.
        changed: what is different here; nothing: every count must be equal.
        agreement: share of pixels that must agree otherwise.
    """
    wrong: list[Mismatch] = []
    shares = []
    for task, table in again.items():
        old, new = _of_patches(stored[task], table.patches), _of_patches(table, table.patches)
        same = np.minimum(old, new).sum(axis=(1, 2))
        pixels = np.maximum(old.sum(axis=(1, 2)), 1)
        shares.append(float(same.sum() / pixels.sum()))
        labels = (old.sum(axis=2) != new.sum(axis=2)).any(axis=1)
        bad = labels | ((old != new).any(axis=(1, 2)) if not changed else np.zeros(len(old), bool))
        wrong += [_patch(file, task, table.patches[i], same[i] / pixels[i], labels[i]) for i in np.flatnonzero(bad)]
        if changed and shares[-1] < agreement:
            wrong.append(
                Mismatch(
                    file=file,
                    cell=task,
                    expected=f"agreement of {agreement:.4%} of the pixels",
                    found=f"{shares[-1]:.4%}",
                )
            )
    count = len(next(iter(again.values())).patches)
    named = ", ".join([*regions[:3], *["..."] * (len(regions) > 3)])
    scope = f"inference on {count} patches of {len(regions)} regions ({named})"
    if not changed:
        return Outcome(detail=f"{scope} repeats their confusion exactly", mismatches=wrong)
    return Outcome(
        detail=f"{scope} agrees on {min(shares):.4%} of the pixels at most; at least {agreement:.4%} is asked for, "
        f"not equality, because of {', '.join(changed)}",
        mismatches=wrong,
    )


def _of_patches(table: ConfusionTable, patches: Sequence[str]) -> Counts:
    """Confusion of some patches, `[n, K, K]`; zeros for one that the table does not have."""
    wanted = {patch: i for i, patch in enumerate(patches)}
    group = np.array([wanted.get(patch, len(patches)) for patch in table.patches], dtype=np.int64)
    used = group[table.patch] < len(patches)
    small = replace(
        table,
        patch=table.patch[used],
        truth=table.truth[used],
        prediction=table.prediction[used],
        count=table.count[used],
    )
    dense: Counts = small.dense_by(group, len(patches))
    return dense


def _patch(file: str, task: str, patch: str, share: float, labels: bool) -> Mismatch:
    if labels:
        return Mismatch(file=file, cell=f"{task} {patch}", expected="the labels' counts", found="other labels")
    return Mismatch(
        file=file,
        cell=f"{task} {patch}",
        expected="the counts of inference",
        found=f"{1 - share:.4%} of the pixels in other cells",
    )
