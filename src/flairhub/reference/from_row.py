"""`flairhub export`: a row of params.yaml as a configuration of the reference.

What the reference has no key for goes into sections that it does not read, `quirks` and `flairhub`, so that an import
of the same files gives the same row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from flairhub.catalog.modalities import INPUTS, LABELS, MODALITIES
from flairhub.catalog.statistics import published_statistics
from flairhub.catalog.taxonomies import taxonomy
from flairhub.config.channels import network_channels
from flairhub.config.inputs import Normalisation
from flairhub.config.params import OVERRIDABLE, Params
from flairhub.config.recipe import RELEASED, TRAINED, Recipe
from flairhub.config.resolve import recipe_from, row_params, row_recipe
from flairhub.errors import ConfigurationError
from flairhub.files import write_text
from flairhub.records.inputs_file import BandStatistics
from flairhub.reference.folder import OWN, read_config
from flairhub.reference.quirks import QUIRKS
from flairhub.reference.recipe import row_values
from flairhub.reference.to_row import differences

Statistics = Mapping[str, Mapping[str, BandStatistics]]

FILES: dict[str, tuple[str, ...]] = {
    "config_task.yaml": ("paths", "tasks", "hyperparams", "hardware", "saving"),
    "config_modalities.yaml": ("modalities",),
    "config_models.yaml": ("models",),
    "config_supervision.yaml": ("labels", "labels_configs"),
    "config_flairhub.yaml": ("quirks", OWN),
}
"""Files of a folder -> their sections; the reference reads the last one and looks nothing up in it."""


def export_row(params: Params, row: str, folder: Path, resolved: Statistics | None = None) -> list[str]:
    """Write the files of a configuration.

    Args:
        params: all parameters.
        row: identifier.
        folder: destination.
        resolved: statistics of the row's inputs, where they are known.

    Returns:
        What the reference cannot do of the row.

    Raises:
        ConfigurationError: there is no such row, or its statistics are not known yet.
    """
    sections = _sections(params, row, resolved or {})
    sections[OWN] = _own(params, row, sections)
    folder.mkdir(parents=True, exist_ok=True)
    for name, keys in FILES.items():
        part = {key: sections[key] for key in keys if sections[key]}
        if part:
            write_text(folder / name, yaml.safe_dump(part, sort_keys=False, allow_unicode=True, width=120))
        else:
            (folder / name).unlink(missing_ok=True)
    return [f"{key}: {_short(value)}" for key, value in sections[OWN].items()]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def _sections(params: Params, row: str, resolved: Statistics) -> dict[str, Any]:
    recipe, own = row_recipe(params, row), row_params(params, row)
    train, given = recipe.train, recipe.weights
    utae = own.model.utae
    assert own.model.mono is not None
    assert utae is not None
    return {
        "paths": {
            "out_folder": "./results",
            "out_model_name": row,
            **{key: f"data/splits/{split}.csv" for key, split in _CSV.items()},
            "global_mtd_folder": "GLOBAL_ALL_MTD/",
            "ckpt_model_path": "" if given in {TRAINED, RELEASED} else params.rows[row].weights,
        },
        "tasks": {
            "train": given == TRAINED,
            "train_tasks": {"init_weights_only_from_ckpt": False, "resume_training_from_ckpt": False},
            "predict": True,
            "write_files": own.evaluate.write_predictions,
            "georeferencing_output": True,
            "metrics_only": False,
        },
        "hyperparams": {
            "num_epochs": train.epochs,
            "batch_size": train.global_batch_size,
            "seed": train.seed,
            "learning_rate": train.learning_rate,
            "optimizer": train.optimizer,
            "optim_weight_decay": train.weight_decay,
            "optim_betas": list(train.betas),
            "scheduler": None if train.scheduler == "constant" else train.scheduler,
            "warmup_fraction": train.warmup_fraction,
            "plateau_patience": train.plateau_patience,
        },
        "hardware": {"accelerator": "gpu", "num_nodes": 1, "gpus_per_node": 1, "strategy": "auto", "num_workers": 4},
        "saving": _saving(recipe),
        "modalities": _modalities(recipe, resolved),
        "models": {
            "monotemp_model": own.model.mono.model_dump(mode="json"),
            "multitemp_model": {
                "ref_date": own.model.ref_date,
                **utae.model_dump(mode="json", exclude={"fusion_widths", "norm_padding"}),
                "pad_value": 0,
            },
        },
        "labels": list(recipe.tasks),
        "labels_configs": {task: _label(own, task) for task in LABELS if task in own.labels},
        "quirks": _quirks(recipe),
    }


_CSV = {"train_csv": "train", "val_csv": "valid", "test_csv": "test"}


def _saving(recipe: Recipe) -> dict[str, Any]:
    loss = recipe.train.select == "loss"
    return {
        "ckpt_save_also_last": True,
        "ckpt_verbose": False,
        "ckpt_weights_only": False,
        "ckpt_monitor": "val_loss" if loss else "val_miou",
        "ckpt_monitor_mode": "min" if loss else "max",
        "ckpt_earlystopping_patience": recipe.train.early_stopping_patience or recipe.train.epochs,
        "cp_csv_and_conf_to_output": True,
        "enable_progress_bar": True,
        "progress_rate": 10,
        "verbose_config": False,
    }


def _quirks(recipe: Recipe) -> dict[str, bool]:
    utae = recipe.model.utae
    kept = {
        "weighted_selection": recipe.train.select == "published",
        "zero_dates": recipe.preprocessing.zero_dates == "masked",
        "empty_slots": recipe.preprocessing.empty_slots == "repeated",
        "counted_padding": utae is not None and utae.norm_padding == "counted",
        "appended_classes": True,  # the widths are written as they are
    }
    return {name: kept.get(name, False) for name in QUIRKS}


def _modalities(recipe: Recipe, resolved: Statistics) -> dict[str, Any]:
    steps, weight = recipe.preprocessing, recipe.loss.aux_loss_weight
    decoded = recipe.model.aux_decoders
    several = len(recipe.modalities) > 1
    with_decoder = decoded if isinstance(decoded, tuple) else recipe.modalities if decoded and several else ()
    channels = {
        name: [MODALITIES[name].bands.index(band) + 1 for band in recipe.channels[name]] for name in recipe.modalities
    }
    return {
        "inputs": {name: name in recipe.modalities for name in INPUTS},
        "inputs_channels": channels,
        "aux_loss": {name: name in with_decoder for name in INPUTS},
        "aux_loss_weight": weight,
        "modality_dropout": {name: recipe.model.modality_dropout.get(name, 0) for name in INPUTS},
        "pre_processings": {
            "filter_sentinel2": steps.filter_sentinel2.enabled,
            "filter_sentinel2_max_cloud": steps.filter_sentinel2.max_cloud,
            "filter_sentinel2_max_snow": steps.filter_sentinel2.max_snow,
            "filter_sentinel2_max_frac_cover": steps.filter_sentinel2.max_fraction_covered,
            "temporal_average_sentinel2": steps.temporal_average_sentinel2 or False,
            "temporal_average_sentinel1": steps.temporal_average_sentinel1 or False,
            "calc_elevation": steps.calc_elevation,
            "calc_elevation_stack_dsm": steps.calc_elevation_stack_dsm,
            "use_augmentation": recipe.augmentation.flips and recipe.augmentation.quarter_turns,
        },
        "normalization": _normalization(recipe, resolved),
    }


def _normalization(recipe: Recipe, resolved: Statistics) -> dict[str, Any]:
    found: dict[str, Any] = {"norm_type": "custom"}
    for name, bands in network_channels(recipe).items():
        if MODALITIES[name].is_series:
            continue
        pairs = [_moments(recipe, name, band, resolved) for band in bands]
        found[f"{name}_means"] = [mean for mean, _ in pairs]
        found[f"{name}_stds"] = [std for _, std in pairs]
    return found


def _moments(recipe: Recipe, name: str, band: str, resolved: Statistics) -> tuple[float, float]:
    scale: Normalisation = recipe.normalisation[name]
    if scale.type != "custom":
        return 0.0, scale.scale or 1.0
    if scale.means is not None and scale.stds is not None:
        return scale.means[band], scale.stds[band]
    if scale.statistics in {"reference", "paper"}:
        table = published_statistics(name, scale.statistics)
        if band in table:
            return table[band].mean, table[band].std
    known = resolved.get(name, {}).get(band)
    if known is None:
        raise ConfigurationError(
            f"Row {recipe.row}: expected the statistics of {name} {band}, which are computed from its training "
            "patches, but the row is not resolved yet; run `dvc repro resolve`."
        )
    return known.mean, known.std


def _label(own: Params, task: str) -> dict[str, Any]:
    label = own.labels[task]
    weights = label.class_weights
    return {
        "task_weight": label.task_weight,
        "label_channel_nomenclature": label.level,
        "value_name": dict(enumerate(taxonomy(task, label.level).classes)),
        "value_weights": {
            "default": weights.default,
            "default_exceptions": dict(weights.exceptions),
            "per_modality_exceptions": {name: dict(table) for name, table in weights.per_modality_exceptions.items()},
        },
    }


def _own(params: Params, row: str, sections: Mapping[str, Any]) -> dict[str, Any]:
    """What an import of the reference's keys alone would get wrong."""
    with tempfile.TemporaryDirectory(prefix="flairhub-") as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(yaml.safe_dump(dict(sections), sort_keys=False), encoding="utf-8")
        config = read_config(path)
    wanted = row_recipe(params, row)
    values = row_values(
        config, sections["quirks"], encoder_weights=sections["models"]["monotemp_model"]["encoder_weights"]
    )
    got = recipe_from(values, row, params.rows[row].model_copy(update={"seeds": None}), str(path))
    own: dict[str, Any] = {}
    for section in OVERRIDABLE:
        if section in Recipe.model_fields:
            old, new = (recipe.model_dump(mode="json")[section] for recipe in (got, wanted))
            changes = differences(old, new, section)
            if changes:
                own[section] = changes
    if params.rows[row].seeds is not None:
        own["seeds"] = list(wanted.seeds)
    if wanted.weights == RELEASED:
        own["weights"] = RELEASED
    return own
