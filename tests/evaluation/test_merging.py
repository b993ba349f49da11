from __future__ import annotations

import numpy as np
import pytest

from flairhub.errors import DataError
from flairhub.evaluation.confusion import ConfusionBuilder
from flairhub.evaluation.merging import merged_table

IDS = ["D012-2019_AF-S1-2_1-1", "D012-2019_AF-S1-2_1-2", "D012-2019_AF-S1-2_1-3"]


def _maps(num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    truth, prediction = np.random.default_rng(0).integers(0, num_classes, (2, 3, 12, 12), dtype=np.uint8)
    return truth, prediction


def test_tables_of_several_processes_make_the_table_of_one() -> None:
    truth, prediction = _maps(19)
    whole, *parts = (ConfusionBuilder("x", 19) for _ in range(4))
    whole.add(IDS, truth, prediction)
    for part, order in zip(parts, ([2], [0, 1]), strict=False):  # the third has no regions
        part.add([IDS[i] for i in order], truth[order], prediction[order])
    merged, expected = merged_table([part.table() for part in parts]), whole.table()
    assert merged.patches == expected.patches
    for column in ("patch", "truth", "prediction", "count"):
        np.testing.assert_array_equal(getattr(merged, column), getattr(expected, column))


def test_a_patch_of_two_processes_is_refused() -> None:
    truth, prediction = _maps(19)
    builder = ConfusionBuilder("x", 19)
    builder.add(IDS, truth, prediction)
    with pytest.raises(DataError, match=rf"3 came twice \({IDS[0]}"):
        merged_table([builder.table(), builder.table()])
