from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.config.training import EvaluateParams
from flairhub.errors import DataError
from flairhub.evaluation.confusion import ConfusionTable
from flairhub.evaluation.confusion_file import read_confusion, write_confusion
from flairhub.evaluation.details import ScoredTask, build_details, row_metrics
from flairhub.evaluation.metrics import score
from flairhub.records.details import Details, TaskMetrics


def _tasks(make_table: Callable[..., ConfusionTable]) -> list[ScoredTask]:
    return [
        ScoredTask(taxonomy=taxonomy(COSIA), scored=taxonomy(COSIA).scored, confusion=make_table()),
        ScoredTask(
            taxonomy=taxonomy(LPIS), scored=taxonomy(LPIS).scored, confusion=make_table(1, num_classes=23, task=LPIS)
        ),
    ]


def test_details_hold_every_figure_of_the_contract(
    make_table: Callable[..., ConfusionTable], evaluate_params: Callable[..., EvaluateParams], patch_names: list[str]
) -> None:
    details = build_details("R", _tasks(make_table), patch_names, evaluate_params())
    assert (details.row, details.n_scored, details.n_expected) == ("R", 24, 24)
    assert list(details.tasks) == [COSIA, LPIS]
    task = details.tasks[COSIA]
    matrix = np.array(task.confusion)
    np.testing.assert_array_equal(matrix, make_table().dense())
    assert task.scored == tuple(range(15))
    assert task.classes == taxonomy(COSIA).classes
    for protocol, values in task.protocols.items():
        expected = score(matrix, range(15), protocol)
        assert values.miou == float(expected.miou)
        assert list(values.per_class.iou) == expected.per_class.iou.tolist()
    assert set(task.protocols) == {"published", "errors_into_ignored", "absent_left_out"}
    roi, domain = task.intervals["roi"], task.intervals["domain"]
    assert roi.clusters == 12
    assert roi.oa.low < task.published.oa < roi.oa.high
    assert len(roi.iou) == 15
    assert domain.oa is None
    assert domain.reason == "3 domain clusters, fewer than evaluate.min_clusters 5"


def test_breakdowns_are_partitions(
    make_table: Callable[..., ConfusionTable], evaluate_params: Callable[..., EvaluateParams], patch_names: list[str]
) -> None:
    task = build_details("R", _tasks(make_table), patch_names, evaluate_params()).tasks[COSIA]
    assert list(task.by_domain) == ["D012-2019", "D068-2021", "D083-2020", "D083-2021"]
    assert list(task.by_land_type) == ["A", "N", "U"]
    for groups in (task.by_domain, task.by_land_type):
        assert sum(g.n_patches for g in groups.values()) == 24
        assert sum(g.n_pixels for g in groups.values()) == np.sum(task.confusion)
    one = [p for p in patch_names if p.startswith("D012")]
    table = make_table()
    alone = table.dense_by(np.array([0 if p in one else 1 for p in table.patches]), 2)[0]
    assert task.by_domain["D012-2019"].oa == float(score(alone, range(15)).oa)
    assert task.by_domain["D012-2019"].miou == float(score(alone, range(15)).miou)


def test_undefined_figures_are_null_in_json(
    tmp_path: Path,
    make_table: Callable[..., ConfusionTable],
    evaluate_params: Callable[..., EvaluateParams],
    patch_names: list[str],
) -> None:
    """Labels and predictions of class 0 and of unscored classes only."""
    source = make_table(num_classes=2)
    sparse = ScoredTask(
        taxonomy=taxonomy(COSIA),
        scored=(3, 4),
        confusion=type(source)(
            task=COSIA,
            num_classes=19,
            patches=source.patches,
            patch=source.patch,
            truth=source.truth,
            prediction=source.prediction,
            count=source.count,
        ),
    )
    details = build_details("R", [sparse], patch_names, evaluate_params())
    details.write(tmp_path / "details.json")
    assert Details.read(tmp_path / "details.json") == details
    task = json.loads((tmp_path / "details.json").read_text())["tasks"][COSIA]
    assert task["protocols"]["published"]["oa"] is None
    assert task["protocols"]["published"]["miou"] is None
    assert task["protocols"]["absent_left_out"]["per_class"]["iou"] == [None, None]
    assert task["intervals"]["roi"]["iou"] == [None, None]


def test_the_file_reproduces_the_details(
    tmp_path: Path,
    make_table: Callable[..., ConfusionTable],
    evaluate_params: Callable[..., EvaluateParams],
    patch_names: list[str],
) -> None:
    tasks = _tasks(make_table)
    write_confusion(tmp_path / "c.parquet", [t.confusion for t in tasks])
    read = read_confusion(tmp_path / "c.parquet")
    again = [ScoredTask(taxonomy=t.taxonomy, scored=t.scored, confusion=read[t.taxonomy.task]) for t in tasks]
    params = evaluate_params()
    assert build_details("R", again, patch_names, params) == build_details("R", tasks, patch_names, params)


def test_metrics_hold_the_published_figures(
    make_table: Callable[..., ConfusionTable], evaluate_params: Callable[..., EvaluateParams], patch_names: list[str]
) -> None:
    details = build_details("R", _tasks(make_table), patch_names, evaluate_params())
    figures = {
        task: TaskMetrics(oa=each.published.oa, miou=each.published.miou) for task, each in details.tasks.items()
    }
    both = row_metrics(details).test
    assert both.tasks == figures
    assert both.miou == pytest.approx((figures[COSIA].miou + figures[LPIS].miou) / 2)
    one = row_metrics(replace(details, tasks={COSIA: details.tasks[COSIA]}))
    assert one.values() == {"test": {"oa": figures[COSIA].oa, "miou": figures[COSIA].miou}}


def test_an_incomplete_or_foreign_table_is_refused(
    make_table: Callable[..., ConfusionTable], evaluate_params: Callable[..., EvaluateParams], patch_names: list[str]
) -> None:
    tasks = _tasks(make_table)
    with pytest.raises(DataError, match=r"1 missing \(D999-2019_AF-S1-1_1-1\)"):
        build_details("R", tasks, [*patch_names, "D999-2019_AF-S1-1_1-1"], evaluate_params())
    wrong = ScoredTask(taxonomy=taxonomy(LPIS, 2), scored=(0,), confusion=tasks[1].confusion)
    with pytest.raises(DataError, match=r"level 2 \(31 classes\), but got one of .* with 23"):
        build_details("R", [wrong], patch_names, evaluate_params())
