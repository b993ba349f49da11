"""Configurations that contradict themselves or what lies on the disk: one message, exit status 2, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.reference.world import ALL, COSIA, LPIS, changed, command, example, write_csv, write_folder

from flairhub.cli.main import main

Change = dict[str, Any] | Callable[[Path, dict[str, Any]], dict[str, Any]]

PATCH = "D012-2019_AF-S1-27_5-10"


def csv_of(text: str) -> Change:
    def change(user: Path, config: dict[str, Any]) -> dict[str, Any]:
        (user / "csv" / "TEST.csv").write_text(text)
        return config

    return change


def without(*dotted: str) -> Change:
    def change(user: Path, config: dict[str, Any]) -> dict[str, Any]:
        found = changed(config)
        for each in dotted:
            *sections, key = each.split(".")
            node = found
            for section in sections:
                node = node[section]
            del node[key]
        return found

    return change


def elsewhere(user: Path, config: dict[str, Any]) -> dict[str, Any]:
    write_csv(user / "csv" / "TEST.csv", [PATCH], before="/nowhere/")
    return config


def damaged_weights(user: Path, config: dict[str, Any]) -> dict[str, Any]:
    (user / "w.safetensors").write_bytes(b"no weights")
    return changed(config, tasks__train=False, paths__ckpt_model_path="w.safetensors")


def without_dates(user: Path, config: dict[str, Any]) -> dict[str, Any]:
    return changed(example(user, ALL), paths__global_mtd_folder="")


def with_more(user: Path, config: dict[str, Any]) -> dict[str, Any]:
    write_folder(user / "configs", {})
    (user / "configs" / "more.yaml").write_text("tasks: {train: true}")
    return config


NORM, WEIGHTS = "modalities__normalization", f"labels_configs__{COSIA}__value_weights"
# ruff: noqa: E501 - a case a line is a table that can be read
BROKEN: list[tuple[str, Change, str]] = [
    ("no such section", without("models"), "section `models`"),
    ("a section that is a number", {"hyperparams": 3}, "`hyperparams` to be a section"),
    ("an unknown section", {"hyperparameters": {}}, "unknown key `hyperparameters`; did you mean 'hyperparams'"),
    ("a misspelt key", {"hyperparams__batchsize": 2}, "config_task.yaml, hyperparams: unknown key `batchsize`; did you mean"),
    ("a missing key", without("hyperparams.learning_rate"), "`learning_rate` is missing"),
    ("epochs in words", {"hyperparams__num_epochs": "many"}, "`num_epochs`"),
    ("no epoch", {"hyperparams__num_epochs": 0}, "`num_epochs`"),
    ("a negative rate", {"hyperparams__learning_rate": -1}, "`learning_rate`"),
    ("an unknown optimiser", {"hyperparams__optimizer": "lion"}, "'adamw', 'adam' or 'sgd', but got 'lion'"),
    ("an unknown scheduler", {"hyperparams__scheduler": "cosine"}, "`scheduler`"),
    ("one beta", {"hyperparams__optim_betas": [0.9]}, "`optim_betas"),
    ("an unknown accelerator", {"hardware__accelerator": "abacus"}, "`accelerator`"),
    ("no device", {"hardware__gpus_per_node": 0}, "`gpus_per_node`"),
    ("an unknown monitor", {"saving__ckpt_monitor": "val_f1"}, "`saving.ckpt_monitor`: expected val_loss or val_miou"),
    ("a monitor that goes the wrong way", {"saving__ckpt_monitor_mode": "min"}, "expected max for val_miou, but got min"),
    ("an unknown input", {"modalities__inputs__AERIAL_RGB": True}, "unknown input 'AERIAL_RGB'; did you mean 'AERIAL_RGBI'"),
    ("no active input", {"modalities__inputs__AERIAL_RGBI": False}, "expected an active input"),
    ("an input without channels", without("modalities.inputs_channels.AERIAL_RGBI"), "expected channels, because AERIAL_RGBI"),
    ("a channel that the file has not got", {"modalities__inputs_channels__AERIAL_RGBI": [5, 1, 2]}, "but got [5, 1, 2]"),
    ("a channel twice", {"modalities__inputs_channels__AERIAL_RGBI": [1, 1, 2]}, "at most once"),
    ("means longer than channels", {f"{NORM}__AERIAL_RGBI_means": [1, 2, 3, 4, 5]}, "as many means as stds, but got 5 and 3"),
    (
        "means and stds longer than channels",
        {f"{NORM}__AERIAL_RGBI_means": [1] * 5, f"{NORM}__AERIAL_RGBI_stds": [1] * 5},
        "`modalities.normalization.AERIAL_RGBI_means`: expected 3 values, one per channel (NIR, R, G), or 4",
    ),
    ("a spread of zero", {f"{NORM}__AERIAL_RGBI_stds": [1, 0, 1]}, "standard deviations above 0"),
    ("no means", without("modalities.normalization.AERIAL_RGBI_means"), "AERIAL_RGBI_means`: expected a list of numbers"),
    ("an unknown normalisation", {f"{NORM}__norm_type": "zscore"}, "custom, scaling, without, but got 'zscore'"),
    ("a misspelt mean", {f"{NORM}__AERIAL_RGBI_mean": [1]}, "unknown key `AERIAL_RGBI_mean`; did you mean"),
    ("dropout above one", {"modalities__modality_dropout__AERIAL_RGBI": 1.5}, "`modality_dropout.AERIAL_RGBI`"),
    ("a negative auxiliary weight", {"modalities__aux_loss_weight": -1}, "`aux_loss_weight"),
    ("an unknown average", {"modalities__pre_processings__temporal_average_sentinel2": "weekly"}, "'monthly' or 'semi-monthly'"),
    ("a cover above one", {"modalities__pre_processings__filter_sentinel2_max_frac_cover": 5}, "filter_sentinel2_max_frac_cover`"),
    ("a day that is none", {"models__multitemp_model__ref_date": "15 May"}, "ref_date`"),
    ("another padding", {"models__multitemp_model__pad_value": -1}, "`models.multitemp_model.pad_value`: expected 0"),
    ("an unknown decoder", {"models__monotemp_model__arch": "resnet18-unett"}, "unett"),
    ("no label", {"labels": []}, "expected a list of label layers"),
    ("an unknown label", {"labels": ["COSIA"]}, "got 'COSIA'; did you mean 'AERIAL_LABEL-COSIA'"),
    ("a label without classes", without(f"labels_configs.{COSIA}"), f"expected `labels_configs.{COSIA}`"),
    ("a class too few", {f"labels_configs__{COSIA}__value_name": {0: "one", 1: "other"}}, "expected the 19 classes 0..18"),
    ("the level of another label", {f"labels_configs__{COSIA}__label_channel_nomenclature": 2}, "expected 1, the only band"),
    ("a level with other classes", {"labels": [LPIS], f"labels_configs__{LPIS}__label_channel_nomenclature": 3}, "46 classes"),
    ("the weight of an unknown class", {f"{WEIGHTS}__default_exceptions": {25: 0}}, "expected classes 0..18, but got 25"),
    ("no class that counts", {f"{WEIGHTS}__default": 0}, "a weight above 0"),
    ("nothing to do", {"tasks__train": False, "tasks__predict": False}, "one of train, predict and metrics_only"),
    (
        "two contrary ways to start",
        {"tasks__train_tasks": {"init_weights_only_from_ckpt": True, "resume_training_from_ckpt": True}},
        "expected one of init_weights_only_from_ckpt and resume_training_from_ckpt",
    ),
    ("no weights to predict with", {"tasks__train": False}, "`paths.ckpt_model_path`: expected a weights file"),
    ("weights that are not there", {"tasks__train": False, "paths__ckpt_model_path": "no.ckpt"}, "'no.ckpt', but there is none"),
    ("weights of no known kind", {"tasks__train": False, "paths__ckpt_model_path": "w.bin"}, ".safetensors"),
    ("damaged weights", damaged_weights, "expected a safetensors file"),
    ("no table", {"paths__test_csv": None}, "`paths.test_csv`: expected a CSV file"),
    ("a table that is not there", {"paths__train_csv": "no.csv"}, "`paths.train_csv`: expected a file or folder 'no.csv'"),
    ("an empty table", csv_of(""), "expected a table"),
    ("a table without the input", csv_of(f"patch_id;{COSIA}\nx;y\n"), "expected a column AERIAL_RGBI"),
    ("a table without patches", csv_of(f"patch_id,AERIAL_RGBI,{COSIA}\n"), "expected a line for each patch"),
    ("a patch of no known name", csv_of(f"patch_id,AERIAL_RGBI,{COSIA}\nx,y,z\n"), "line 2: Expected a patch id"),
    ("a path of another patch", csv_of(f"patch_id,AERIAL_RGBI,{COSIA}\n{PATCH},y,z\n"), "line 2: expected the AERIAL_RGBI file"),
    ("data that are not there", elsewhere, "expected the archive D012-2019_AERIAL_RGBI"),
    ("series without their dates", without_dates, "`paths.global_mtd_folder`: expected the folder with the acquisition dates"),
    ("a key in two files", with_more, "more.yaml: expected `tasks` in one file, but config_task.yaml has it too"),
    ("a quirk of no known name", {"quirks": {"everything": True}}, "unknown key `quirks.everything`"),
    ("a quirk that is a number", {"quirks": 3}, "auto, true, false or a mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [item[1:] for item in BROKEN], ids=[item[0] for item in BROKEN])
def test_it_is_refused_with_one_message(
    user: Path, capsys: pytest.CaptureFixture[str], change: Change, message: str
) -> None:
    config = example(user)
    config = change(user, config) if callable(change) else changed(config, **change)
    assert command(user, config) == 2
    printed, error = capsys.readouterr()
    assert message in error
    assert error.startswith("flairhub: ")
    assert len(error.splitlines()) == 1
    assert "Traceback" not in error
    assert printed == ""
    assert not (user / "out" / "toy" / "used_csv_and_config").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [("paths: [", "expected YAML"), ("- 1", "expected a mapping"), (None, "there is none"), ("", "expected a mapping")],
)
def test_a_file_that_is_no_configuration(
    user: Path, capsys: pytest.CaptureFixture[str], text: str | None, message: str
) -> None:
    path = user / "config.yaml"
    if text is not None:
        path.write_text(text)
    assert main(["--config", str(path)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "message"),
    [("hyperparams.batch_size", "expected KEY=VALUE"), ("hyperparams.x=1", "unknown key `x`"),
     ("hyperparams.seed.x=1", "expected `hyperparams.seed` to be a section")],
)  # fmt: skip
def test_overrides_are_checked_as_files_are(
    user: Path, capsys: pytest.CaptureFixture[str], override: str, message: str
) -> None:
    assert command(user, example(user), "--set", override) == 2
    assert message in capsys.readouterr().err
