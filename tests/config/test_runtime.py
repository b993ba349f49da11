from __future__ import annotations

import os
from pathlib import Path

import pytest

from flairhub.config.runtime import RuntimeSettings, read_settings, usable_cores, write_setting
from flairhub.config.workspace import Workspace
from flairhub.errors import ConfigurationError


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    (tmp_path / "copy").mkdir()
    return Workspace(root=tmp_path / "copy", main=tmp_path)


def test_cores_are_those_that_the_process_may_use():
    """As under a batch system that gives a job one core of a node."""
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == 1
        assert RuntimeSettings().workers == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert usable_cores() == len(allowed)


def test_without_a_file_there_are_defaults(workspace):
    settings = read_settings(workspace, {})
    assert settings == RuntimeSettings()
    assert 1 <= settings.workers <= 4
    assert settings.data is settings.tracking_uri is settings.scheduler is None


def test_the_environment_goes_before_the_file_and_the_file_before_defaults(workspace):
    (workspace.main / "local.yaml").write_text("workers: 3\naccelerator: cpu\nscheduler: tcp://a:1\n")
    settings = read_settings(workspace, {"FLAIRHUB_WORKERS": "7", "FLAIRHUB_SCHEDULER": "null", "FLAIRHUB_DATA": ""})
    assert (settings.workers, settings.accelerator, settings.scheduler, settings.data) == (7, "cpu", None, None)


def test_every_setting_can_come_from_the_environment(workspace):
    values = {
        "data": ("/archives", Path("/archives")),
        "layout": ("extracted", "extracted"),
        "workers": ("0", 0),
        "accelerator": ("gpu", "gpu"),
        "devices": ("4", 4),
        "num_nodes": ("2", 2),
        "progress": ("false", False),
        "progress_rate": ("5", 5),
        "cache_mb": ("0", 0),
        "checkpoint_seconds": ("1.5", 1.5),
        "tracking_uri": ("http://mlflow:5000", "http://mlflow:5000"),
        "tracking_weights_mb": ("2.5", 2.5),
        "downloads": ("8", 8),
        "download_mb_s": ("12.5", 12.5),
        "scheduler": ("tcp://dask:8786", "tcp://dask:8786"),
    }
    assert values.keys() == RuntimeSettings.model_fields.keys()
    environment = {f"FLAIRHUB_{name.upper()}": text for name, (text, _) in values.items()}
    expected = RuntimeSettings.model_validate({name: value for name, (_, value) in values.items()})
    assert read_settings(workspace, environment) == expected


def test_a_misspelt_variable_is_refused_with_the_nearest(workspace):
    with pytest.raises(
        ConfigurationError, match=r"FLAIRHUB_WORKER in the environment; did you mean 'FLAIRHUB_WORKERS'"
    ):
        read_settings(workspace, {"FLAIRHUB_WORKER": "7", "FLAIRHUB": "1", "OTHER": "x"})


def test_the_process_s_own_environment_is_the_default(workspace, monkeypatch):
    monkeypatch.setenv("FLAIRHUB_DEVICES", "auto")
    monkeypatch.setenv("FLAIRHUB_NUM_NODES", "5")
    assert read_settings(workspace).num_nodes == 5


def test_a_relative_folder_starts_at_the_main_workspace(workspace, monkeypatch):
    (workspace.main / "local.yaml").write_text("data: ../hub\n")
    assert read_settings(workspace, {}).data == workspace.main.parent / "hub"
    monkeypatch.setenv("HOME", str(workspace.main))
    assert read_settings(workspace, {"FLAIRHUB_DATA": "~/hub"}).data == workspace.main / "hub"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("worker: 3\n", "unknown key `worker`; did you mean 'workers'"),
        ("workers: many\n", "`workers`"),
        ("workers: -1\n", "greater than or equal to 0"),
        ("accelerator: tpu\n", "`accelerator`"),
        ("- a\n", "expected `setting: value` lines"),
        ("a: [1\n", "expected YAML"),
    ],
)
def test_a_wrong_file_is_named(workspace, text, message):
    (workspace.main / "local.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"local\.yaml") as caught:
        read_settings(workspace, {})
    assert message in str(caught.value)


def test_writing_keeps_comments_and_other_keys(workspace):
    path = workspace.main / "local.yaml"
    path.write_text("# my machine\nworkers: 3  # not more\n\ndata: 'old'\n")
    assert write_setting(workspace, data=Path("/new"), scheduler=None) == path
    text = path.read_text().replace("'", "")
    assert text == "# my machine\nworkers: 3  # not more\n\ndata: /new\nscheduler: null\n"
    assert read_settings(workspace, {}).data == Path("/new")


def test_a_new_file_says_what_it_is(workspace):
    write_setting(workspace, workers=2)
    assert (workspace.main / "local.yaml").read_text().startswith("# Settings of this machine")
    assert read_settings(workspace, {}).workers == 2
    assert not (workspace.root / "local.yaml").exists()


def test_a_file_of_comments_keeps_them(workspace):
    (workspace.main / "local.yaml").write_text("# nothing yet\n")
    write_setting(workspace, workers=2)
    assert (workspace.main / "local.yaml").read_text() == "# nothing yet\nworkers: 2\n"


def test_a_wrong_value_leaves_the_file_alone(workspace):
    write_setting(workspace, workers=2)
    before = (workspace.main / "local.yaml").read_bytes()
    with pytest.raises(ConfigurationError, match="did you mean 'devices'"):
        write_setting(workspace, device=1)
    with pytest.raises(ConfigurationError, match="`workers`"):
        write_setting(workspace, workers="many")
    assert (workspace.main / "local.yaml").read_bytes() == before
