"""Which patches a row cannot use, and why: one reason each, so that they add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.records.inputs_file import SPLITS, SplitName
from flairhub.records.resolution import Resolution
from flairhub.rows.accepted import Facts

MISSING = "missing"
"""Reason of a layer that has no file of the patch."""


def reasons(layers: Sequence[str], lost: NDArray[np.str_], facts: Facts) -> dict[str, int]:
    """`LAYER: REASON` -> patches that are left out for it, most first.

    Args:
        layers: layers of the row; the first in their order that a patch lacks is its reason.
        lost: patches of a split that the row does not use, ascending.
        facts: what the audit accepted and refused.
    """
    lacking = np.stack([facts.layers[layer].ids.get_indexer(pd.Index(lost, dtype="str")) < 0 for layer in layers])
    counts: Counter[str] = Counter()
    for patch, first in zip(lost.tolist(), lacking.argmax(axis=0).tolist(), strict=True):
        layer = layers[first]
        counts[f"{layer}: {facts.layers[layer].refused.get(patch, MISSING)}"] += 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def policies(report: Mapping[str, Any], layers: Sequence[str]) -> dict[str, str]:
    """Check -> severity and policy, of the checks that found something in what a row reads.

    Args:
        report: content of `data/audit/report.json`.
        layers: layers of the row.
    """
    return {
        check["name"]: f"{check['severity']}, {check['policy']}"
        for check in report["checks"]
        if not check["success"] and (not check["by_modality"] or _concerns(check["by_modality"], layers))
    }


def without_empty(why: Mapping[SplitName, Mapping[str, int]]) -> dict[str, Mapping[str, int]]:
    """The splits that lose patches."""
    return {split: counts for split, counts in why.items() if counts}


def losses_table(rows: Mapping[str, Resolution]) -> str:
    """Patches that each row uses and leaves out per split, and why, as text."""
    from tabulate import tabulate

    lines = []
    for row, counts in rows.items():
        total: Counter[str] = Counter()
        for each in counts.why.values():
            total.update(each)
        numbers = [f"{counts.used[split]}{_minus(counts.left_out[split])}" for split in SPLITS]
        lines.append([row, *numbers, "; ".join(f"{number} {why}" for why, number in total.most_common()) or "-"])
    return tabulate(lines, ["row", *SPLITS, "left out"], disable_numparse=True)


def _minus(number: int) -> str:
    return f" (-{number})" if number else ""


def _concerns(found_in: Iterable[str], layers: Sequence[str]) -> bool:
    words = {word.strip(",") for text in found_in for word in text.split()}  # a finding can name several layers
    return bool(words & set(layers))
