"""Every option of the configuration changes what runs: the recipe, the settings of the machine, or what is written.

Whatever else stands in one is a recipe or one sentence about it, never a traceback.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from tests.any_values import edited, paths, refusal
from tests.reference.world import ALL, COSIA, LPIS, changed, example, write_csv, write_folder
from tests.reference.world import test_ids as ids_of

from flairhub.cli.main import main
from flairhub.config.recipe import Recipe
from flairhub.files import read_json
from flairhub.reference.folder import ReferenceConfig, read_config
from flairhub.reference.prepare import prepare
from flairhub.reference.quirks import QUIRKS
from flairhub.reference.recipe import recipe_of
from flairhub.reference.training import evaluation, run_settings

NONE = dict.fromkeys(QUIRKS, False)


def read(folder: Path, config: dict[str, Any]) -> ReferenceConfig:
    return read_config(write_folder(folder / "configs", config))


def value_of(recipe: Recipe, dotted: str) -> Any:
    node: Any = recipe.model_dump(mode="json")
    for part in dotted.split("."):
        node = node[part]
    return node


EFFECTS: list[tuple[str, Any, str, Any]] = [
    ("hyperparams__num_epochs", 7, "train.epochs", 7),
    ("hyperparams__batch_size", 3, "train.global_batch_size", 3),
    ("hardware__num_nodes", 2, "train.global_batch_size", 4),
    ("hardware__gpus_per_node", 4, "train.global_batch_size", 8),
    ("hyperparams__seed", 1, "train.seed", 1),
    ("hyperparams__learning_rate", "5e-5", "train.learning_rate", 5e-5),
    ("hyperparams__optimizer", "sgd", "train.optimizer", "sgd"),
    ("hyperparams__optim_weight_decay", 0.5, "train.weight_decay", 0.5),
    ("hyperparams__optim_betas", [0.8, 0.9], "train.betas", [0.8, 0.9]),
    ("hyperparams__scheduler", "reduce_on_plateau", "train.scheduler", "reduce_on_plateau"),
    ("hyperparams__scheduler", None, "train.scheduler", "constant"),
    ("hyperparams__warmup_fraction", 0.4, "train.warmup_fraction", 0.4),
    ("hyperparams__plateau_patience", 3, "train.plateau_patience", 3),
    ("saving__ckpt_earlystopping_patience", 4, "train.early_stopping_patience", 4),
    ("modalities__inputs__DEM_ELEV", False, "channels.SPOT_RGBI", ["NIR", "R", "G"]),
    ("modalities__inputs_channels__AERIAL_RGBI", [1, 2, 3], "channels.AERIAL_RGBI", ["R", "G", "B"]),
    ("modalities__aux_loss__SPOT_RGBI", True, "model.aux_decoders", ["SPOT_RGBI"]),
    ("modalities__aux_loss_weight", 0.5, "loss.aux_loss_weight", 0.5),
    ("modalities__modality_dropout__SPOT_RGBI", 0.25, "model.modality_dropout", {"SPOT_RGBI": 0.25}),
    ("modalities__pre_processings__filter_sentinel2", False, "preprocessing.filter_sentinel2.enabled", False),
    ("modalities__pre_processings__filter_sentinel2_max_cloud", 40, "preprocessing.filter_sentinel2.max_cloud", 40),
    ("modalities__pre_processings__filter_sentinel2_max_snow", 30, "preprocessing.filter_sentinel2.max_snow", 30),
    (
        "modalities__pre_processings__filter_sentinel2_max_frac_cover", 0.2,
        "preprocessing.filter_sentinel2.max_fraction_covered", 0.2,
    ),
    (
        "modalities__pre_processings__temporal_average_sentinel2", "monthly",
        "preprocessing.temporal_average_sentinel2", "monthly",
    ),
    (
        "modalities__pre_processings__temporal_average_sentinel1", "semi-monthly",
        "preprocessing.temporal_average_sentinel1", "semi-monthly",
    ),
    ("modalities__pre_processings__calc_elevation", False, "preprocessing.calc_elevation", False),
    ("modalities__pre_processings__calc_elevation_stack_dsm", False, "preprocessing.calc_elevation_stack_dsm", False),
    ("modalities__pre_processings__use_augmentation", True, "augmentation.flips", True),
    ("modalities__normalization__norm_type", "scaling", "normalisation.AERIAL_RGBI.scale", 255),
    ("modalities__normalization__norm_type", "without", "normalisation.SPOT_RGBI.type", "without"),
    ("modalities__normalization__AERIAL-RLT_PAN_means", [7], "normalisation.AERIAL-RLT_PAN.means.PAN", 7),
    ("models__monotemp_model__arch", "resnet18-unet", "model.mono.arch", "resnet18-unet"),
    ("models__monotemp_model__new_channels_init_mode", "copy_first", "model.mono.new_channels_init_mode", "copy_first"),
    ("models__multitemp_model__ref_date", "06-21", "model.ref_date", "06-21"),
    ("models__multitemp_model__agg_mode", "mean", "model.utae.agg_mode", "mean"),
    ("models__multitemp_model__encoder_norm", "batch", "model.utae.encoder_norm", "batch"),
    ("models__multitemp_model__str_conv_s", 2, "model.utae.str_conv_s", 2),
    ("models__multitemp_model__d_model", 64, "model.utae.d_model", 64),
    ("models__multitemp_model__padding_mode", "zeros", "model.utae.padding_mode", "zeros"),
    (f"labels_configs__{COSIA}__task_weight", 3, f"labels.{COSIA}.task_weight", 3),
    (f"labels_configs__{COSIA}__value_weights__default", 2, f"labels.{COSIA}.class_weights.default", 2),
    (
        f"labels_configs__{COSIA}__value_weights__per_modality_exceptions", {"SPOT_RGBI": {10: 0}},
        f"labels.{COSIA}.class_weights.per_modality_exceptions", {"SPOT_RGBI": {"10": 0}},
    ),
    ("labels", [LPIS, COSIA], "tasks", [LPIS, COSIA]),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "parameter", "expected"), EFFECTS)
def test_an_option_decides_a_parameter(tmp_path: Path, key: str, value: Any, parameter: str, expected: Any) -> None:
    config = example(tmp_path, ALL)
    with_it = recipe_of(read(tmp_path, changed(config, **{key: value})), NONE)
    assert value_of(with_it, parameter) == expected
    assert with_it != recipe_of(read(tmp_path, config), NONE)


@pytest.mark.parametrize(
    ("quirk", "change", "parameter", "kept", "without"),
    [
        ("statistics_by_position", {}, "normalisation.SPOT_RGBI.means.NIR", 433.26, 1137.03),
        ("zero_dates", {}, "preprocessing.zero_dates", "masked", "valid"),
        ("counted_padding", {}, "model.utae.norm_padding", "counted", "ignored"),
        (
            "empty_slots", {"modalities__pre_processings__temporal_average_sentinel2": "monthly"},
            "preprocessing.empty_slots", "repeated", "masked",
        ),
        ("appended_classes", {"labels": [LPIS]}, "model.utae.out_conv", [16, 19], [16]),
        ("weighted_selection", {}, "train.select", "published", "reported"),
        ("unused_aux_losses", {}, "loss.aux_loss_weight", 0, 1.5),
        (
            "even_dropout", {"modalities__modality_dropout__SPOT_RGBI": 0.1},
            "model.modality_dropout.SPOT_RGBI", 0.5, 0.1,
        ),
        ("fixed_patience", {"hyperparams__plateau_patience": 3}, "train.plateau_patience", 10, 3),
        ("undecayed_sgd", {"hyperparams__optimizer": "sgd"}, "train.weight_decay", 0, 0.01),
    ],
)  # fmt: skip
def test_a_quirk_decides_a_parameter(
    tmp_path: Path, quirk: str, change: dict[str, Any], parameter: str, kept: Any, without: Any
) -> None:
    config = read(tmp_path, changed(example(tmp_path, ALL), **change))
    assert value_of(recipe_of(config, NONE | {quirk: True}), parameter) == kept
    assert value_of(recipe_of(config, NONE), parameter) == without


def test_every_quirk_is_tested_above() -> None:
    listed = next(m for m in test_a_quirk_decides_a_parameter.pytestmark if m.name == "parametrize").args[1]
    assert {item[0] for item in listed} == set(QUIRKS)


def test_hardware_and_bars_are_settings_of_the_machine(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        changed(
            example(tmp_path),
            hardware__accelerator="cpu",
            hardware__num_workers=3,
            saving__enable_progress_bar=True,
            saving__progress_rate=25,
            tasks__write_files=False,
        ),
    )
    machine, notes = run_settings(config)
    assert (machine.accelerator, machine.workers, machine.progress, machine.progress_rate) == ("cpu", 3, True, 25)
    assert notes == []
    assert not evaluation(config, counted_padding=False).write_predictions
    assert evaluation(config, counted_padding=True).batch_size == 1


@pytest.mark.parametrize(
    ("separator", "before", "root"),
    [(",", "../data/", None), (";", "../data/", None), (",", "data/", None), (";", "../elsewhere/else/", "data"),
     (",", "{user}/data/", None)],
)  # fmt: skip
def test_tables_and_paths_as_users_have_them(
    user: Path, monkeypatch: pytest.MonkeyPatch, separator: str, before: str, root: str | None
) -> None:
    ids = ids_of(user)
    write_csv(user / "csv" / "TEST.csv", ids, separator, before.format(user=user))
    (user / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(user / "deep")
    config = changed(
        example(user, ALL),
        tasks__train=False,
        tasks__predict=False,
        tasks__metrics_only=True,
        paths__test_csv="../csv/TEST.csv",
        paths__global_mtd_folder="../data/GLOBAL_ALL_MTD/",
    )
    job = prepare(read_config(write_folder(user / "configs", config)), None if root is None else user / root)
    assert sorted(job.tables["test"].ids) == ids
    assert {path.name for path in job.archives.iterdir()} == {f"{ids[0].split('_')[0]}_{COSIA}.zip"}


def test_the_whole_table_is_read(tmp_path: Path) -> None:
    from flairhub.reference.tables import read_path_table

    ids = [f"D012-2019_AF-S1-{roi}_{i}-{j}" for roi in range(1, 25) for i in range(1, 101) for j in range(1, 101)]
    write_csv(tmp_path / "FLAIR-HUB_TRAIN.csv", ids, separator=";")
    table = read_path_table(tmp_path / "FLAIR-HUB_TRAIN.csv", ["AERIAL_RGBI", COSIA])
    assert len(table.ids) == 240_000
    assert table.files["AERIAL_RGBI"][-1].endswith("D012-2019_AERIAL_RGBI_AF-S1-24_100-100.tif")


def test_what_is_saved_follows_its_options(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = changed(
        example(user),
        hyperparams__num_epochs=1,
        tasks__georeferencing_output=False,
        saving__ckpt_save_also_last=False,
        saving__cp_csv_and_conf_to_output=False,
        saving__ckpt_verbose=True,
        saving__verbose_config=True,
        saving__ckpt_monitor="val_loss",
        saving__ckpt_monitor_mode="min",
    )
    assert main(["--c", str(write_folder(user / "configs", config)), "--set", "paths.out_model_name=other"]) == 0
    out, printed = user / "out" / "other", capsys.readouterr().out
    (checkpoint,) = (out / "checkpoints").iterdir()
    assert checkpoint.name.startswith("ckpt-epoch=00-val_loss=")
    assert f"saved {checkpoint}" in printed
    assert "    one_cycle_lr" not in printed
    assert "scheduler: one_cycle_lr" in printed
    assert not (out / "used_csv_and_config").exists()
    written = next((out / "results_other" / "predictions_other" / COSIA).iterdir())
    assert b"GeoKey" not in written.read_bytes()
    assert read_json(out / "flairhub" / "models" / "other" / "valid.json")["epoch"] == 0
    assert yaml.safe_load((user / "configs" / "config_task.yaml").read_text())["paths"]["out_model_name"] == "toy"


VALUES = example(Path("user"), ALL, (COSIA, LPIS))


def understood(path: Path) -> None:
    config = read_config(path)
    for kept in (False, True):
        recipe_of(config, dict.fromkeys(QUIRKS, kept))
        evaluation(config, counted_padding=kept)
    run_settings(config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples, below which no other test looks for a repository."""
    return tmp_path_factory.mktemp("any")


@settings(max_examples=200, deadline=None)
@given(edited(VALUES, paths(VALUES)))
def test_a_configuration_is_accepted_or_named(folder: Path, values: dict[str, Any]) -> None:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    said = refusal(lambda: understood(path))
    assert said is None or "config.yaml" in said
