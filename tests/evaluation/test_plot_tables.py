from __future__ import annotations

import csv
from types import SimpleNamespace

from flairhub.evaluation.plot_tables import CONFUSION, PER_CLASS, write_plot_tables


def task(confusion, iou, scored):
    scores = [SimpleNamespace(index=index, iou=value) for index, value in zip(scored, iou, strict=True)]
    return SimpleNamespace(classes=("a", "b", "c"), confusion=confusion, class_scores=lambda: scores)


def test_shares_are_of_the_truth_and_undefined_classes_are_left_out(tmp_path):
    tasks = {"T": task([[3, 1, 0], [0, 0, 0], [5, 0, 5]], [60.0, None], [0, 1])}
    write_plot_tables(tmp_path, SimpleNamespace(tasks=tasks))
    assert (tmp_path / PER_CLASS).read_text() == "class,iou\na,60.0000\n"
    with (tmp_path / CONFUSION).open(newline="") as handle:
        cells = [tuple(line.values()) for line in csv.DictReader(handle)]
    assert cells == [
        ("a", "a", "75.0000", "3"),
        ("a", "b", "25.0000", "1"),
        ("c", "a", "50.0000", "5"),
        ("c", "c", "50.0000", "5"),
    ]


def test_classes_of_several_tasks_carry_the_task(tmp_path):
    one = task([[1, 0, 0], [0, 0, 0], [0, 0, 0]], [10.0, 20.0], [0, 2])
    write_plot_tables(tmp_path, SimpleNamespace(tasks={"T": one, "U": one}))
    assert (tmp_path / PER_CLASS).read_text().splitlines()[1:] == [
        "T: a,10.0000",
        "T: c,20.0000",
        "U: a,10.0000",
        "U: c,20.0000",
    ]
