from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flairhub.catalog.taxonomies import COSIA, LPIS
from flairhub.errors import DataError, MissingFileError
from flairhub.evaluation.confusion import ConfusionBuilder, ConfusionTable
from flairhub.evaluation.confusion_file import read_confusion, write_confusion


def _same(first: ConfusionTable, second: ConfusionTable) -> None:
    assert (first.task, first.num_classes, first.patches) == (second.task, second.num_classes, second.patches)
    for column in ("patch", "truth", "prediction", "count"):
        np.testing.assert_array_equal(getattr(first, column), getattr(second, column))
        assert getattr(first, column).dtype == getattr(second, column).dtype


def test_two_tasks_survive_the_file(tmp_path: Path, make_table: Callable[..., ConfusionTable]) -> None:
    lpis, cosia = make_table(seed=1, num_classes=23, task=LPIS), make_table()
    path = tmp_path / "confusion.parquet"
    write_confusion(path, [lpis, cosia])
    tables = read_confusion(path)
    assert list(tables) == [COSIA, LPIS]
    _same(tables[COSIA], cosia)
    _same(tables[LPIS], lpis)


def test_the_columns_are_those_of_the_contract_and_sorted(
    tmp_path: Path, make_table: Callable[..., ConfusionTable]
) -> None:
    path = tmp_path / "confusion.parquet"
    tables = [make_table(seed=1, num_classes=23, task=LPIS), make_table()]
    write_confusion(path, tables)
    frame = pd.read_parquet(path)
    keys = ["task", "patch_id", "truth", "prediction"]
    assert list(frame.columns) == [*keys, "count"]
    assert frame[keys].equals(frame[keys].sort_values(keys, ignore_index=True))
    assert not frame.duplicated(keys).any()
    assert (frame["count"] > 0).all()
    assert frame["count"].sum() == sum(t.dense().sum() for t in tables)


def test_same_table_same_bytes(tmp_path: Path, make_table: Callable[..., ConfusionTable]) -> None:
    a, b = tmp_path / "a.parquet", tmp_path / "b.parquet"
    write_confusion(a, [make_table(), make_table(num_classes=23, task=LPIS)])
    write_confusion(b, [make_table(num_classes=23, task=LPIS), make_table()])
    assert a.read_bytes() == b.read_bytes()
    write_confusion(b, [make_table(seed=9), make_table(num_classes=23, task=LPIS)])
    assert a.read_bytes() != b.read_bytes()


def test_a_missing_or_foreign_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="run the evaluate stage"):
        read_confusion(tmp_path / "none.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="expected a confusion table of format 1, but found None"):
        read_confusion(tmp_path / "other.parquet")


def test_a_task_without_patches_and_disjoint_tasks_survive(
    tmp_path: Path, make_table: Callable[..., ConfusionTable]
) -> None:
    cosia = make_table()
    half = ConfusionBuilder(LPIS, 23)
    half.add([cosia.patches[3]], np.zeros((1, 4, 4), np.uint8), np.ones((1, 4, 4), np.uint8))
    path = tmp_path / "confusion.parquet"
    write_confusion(path, [cosia, half.table()])
    assert read_confusion(path)[LPIS].patches == (cosia.patches[3],)
    write_confusion(path, [ConfusionBuilder(LPIS, 23).table()])
    _same(read_confusion(path)[LPIS], ConfusionBuilder(LPIS, 23).table())
    write_confusion(path, [])
    assert read_confusion(path) == {}
