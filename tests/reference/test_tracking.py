"""A run of the command is a run in MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reference.world import changed, draw_data, example, write_folder

from flairhub.cli.main import main


@pytest.mark.slow
def test_a_run_is_in_the_store_of_the_output_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = changed(example(tmp_path), hyperparams__num_epochs=1)
    assert main(["--config", str(write_folder(tmp_path / "configs", config))]) == 0
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/out/mlruns/mlflow.db")
    runs = [run for each in client.search_experiments() for run in client.search_runs([each.experiment_id])]
    assert [run.info.run_name for run in runs] == ["toy"]
    assert runs[0].info.status == "FINISHED"
    assert "test/AERIAL_LABEL-COSIA/miou" in runs[0].data.metrics
