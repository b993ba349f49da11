from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from tests.world import SmallRow, small_row, write_repository

from flairhub.archives.reader import PatchReader
from flairhub.catalog.taxonomies import COSIA, LPIS
from flairhub.cli.main import main
from flairhub.config.resolve import row_evaluation
from flairhub.errors import DataError, MissingFileError
from flairhub.maps.geotiff import prediction_path
from flairhub.records.details import Details
from flairhub.records.metrics import RowMetrics
from flairhub.rows.score import score_predictions

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> SmallRow:
    """Two tasks, every prediction written."""
    return small_row(
        tmp_path_factory.mktemp("score"),
        ("AERIAL_RGBI",),
        row={"tasks": [COSIA, LPIS]},
        evaluate={"write_predictions": True, "examples": 0, "min_clusters": 2},
    ).evaluate()


def score(row: SmallRow, predictions: Path) -> Details:
    return score_predictions(
        row.row.inputs, predictions, PatchReader(row.archives), row_evaluation(row.params, "X"), progress=False
    )


def test_figures_of_the_files_are_exactly_those_of_the_network(written: SmallRow) -> None:
    assert score(written, written.files.predictions) == Details.read(written.files.details)


def test_a_missing_prediction_is_named(written: SmallRow, tmp_path: Path) -> None:
    shutil.copytree(written.files.predictions, tmp_path / "copy")
    path = prediction_path(tmp_path / "copy", LPIS, written.row.inputs.splits["test"][1].patch_id)
    path.unlink()
    with pytest.raises(MissingFileError, match=path.name):
        score(written, tmp_path / "copy")


def test_a_map_of_another_task_is_refused(written: SmallRow, tmp_path: Path) -> None:
    shutil.copytree(written.files.predictions, tmp_path / "copy")
    patch = written.row.inputs.splits["test"][0].patch_id
    shutil.copy(prediction_path(tmp_path / "copy", LPIS, patch), prediction_path(tmp_path / "copy", COSIA, patch))
    with pytest.raises(DataError, match=f"a map of {COSIA} level 1, but it holds"):
        score(written, tmp_path / "copy")


def test_the_command_prints_and_writes(
    written: SmallRow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_repository(written)
    monkeypatch.chdir(root)
    monkeypatch.setenv("FLAIRHUB_DATA", str(written.archives))
    monkeypatch.setenv("FLAIRHUB_PROGRESS", "0")
    assert main(["score", "X", "--out", str(tmp_path / "details.json")]) == 0
    assert (tmp_path / "details.json").read_bytes() == written.files.details.read_bytes()
    printed = capsys.readouterr().out
    metrics = RowMetrics.read(written.files.metrics).test.tasks
    for task in (COSIA, LPIS):
        assert f"X {task}: O.A. {metrics[task].oa:.2f}, mIoU {metrics[task].miou:.2f} (4 patches)" in printed
    assert main(["score", "X", "--predictions", str(tmp_path / "none")]) == 1
    assert "Expected the prediction" in capsys.readouterr().err
