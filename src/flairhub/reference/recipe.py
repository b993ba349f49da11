"""From a configuration of the reference to the recipe of a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flairhub.catalog.identifiers import check_identifier
from flairhub.catalog.modalities import INPUTS, MODALITIES
from flairhub.catalog.taxonomies import LPIS, Taxonomy, taxonomy
from flairhub.config.base import nearest
from flairhub.config.params import RowParams
from flairhub.config.recipe import TRAINED, Recipe
from flairhub.config.resolve import merged, recipe_from
from flairhub.errors import ConfigurationError
from flairhub.reference.folder import ReferenceConfig
from flairhub.reference.keys import LabelConfig
from flairhub.reference.normalization import SCALES, input_channels, moments, norm_type
from flairhub.reference.training import train_values

AUTO = "auto"
"""Value of `models.monotemp_model.encoder_weights`: ImageNet where its weights are to be had."""


def row_name(config: ReferenceConfig) -> str:
    """`paths.out_model_name` as an identifier of a row."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", config.paths.out_model_name).strip("-")
    check_identifier(name, config.place("paths.out_model_name"))
    return name


def row_values(config: ReferenceConfig, quirks: Mapping[str, bool], *, encoder_weights: str | None) -> dict[str, Any]:
    """Every parameter that a configuration decides, as sections of params.yaml.

    Args:
        config: the configuration.
        quirks: name -> kept or not.
        encoder_weights: what mono-date encoders start from.

    Raises:
        ConfigurationError: the configuration contradicts itself.
    """
    check_inputs(config)
    return {
        "tasks": list(config.labels),
        "modalities": list(config.inputs),
        "channels": {name: list(bands) for name, bands in input_channels(config).items()},
        "normalisation": _normalisation(config, quirks),
        "preprocessing": _preprocessing(config, quirks),
        "labels": {task: _label(config, task) for task in config.labels},
        "augmentation": dict.fromkeys(("flips", "quarter_turns"), config.modalities.pre_processings.use_augmentation),
        "model": _model(config, quirks, encoder_weights),
        "loss": {"aux_loss_weight": _auxiliary_weights(config, quirks)},
        "train": train_values(config, quirks),
    }


def recipe_of(
    config: ReferenceConfig,
    quirks: Mapping[str, bool],
    *,
    weights: str = TRAINED,
    encoder_weights: str | None = None,
) -> Recipe:
    """The recipe of a configuration.

    Args:
        config: the configuration.
        quirks: name -> kept or not.
        weights: `trained`, or the name of the file that is predicted with.
        encoder_weights: what mono-date encoders start from.

    Raises:
        ConfigurationError: the configuration contradicts itself.
    """
    values = merged(row_values(config, quirks, encoder_weights=encoder_weights), config.own)
    settings = RowParams(tasks=config.labels, modalities=config.inputs, weights=weights, seeds=config.own.get("seeds"))
    return recipe_from(values, row_name(config), settings, str(config.source))


def check_inputs(config: ReferenceConfig) -> None:
    """Refuse unknown and missing inputs in every table that names some.

    Raises:
        ConfigurationError: names file and key.
    """
    tables: dict[str, Mapping[str, Any]] = {
        "modalities.inputs": config.modalities.inputs,
        "modalities.inputs_channels": config.modalities.inputs_channels,
        "modalities.aux_loss": config.modalities.aux_loss,
        "modalities.modality_dropout": config.modalities.modality_dropout,
    }
    weight = config.modalities.aux_loss_weight
    if isinstance(weight, dict):
        tables["modalities.aux_loss_weight"] = weight
    for task in config.labels:
        key = f"labels_configs.{task}.value_weights.per_modality_exceptions"
        tables[key] = config.labels_configs[task].value_weights.per_modality_exceptions
    for key, table in tables.items():
        for name in table:
            if name not in INPUTS:
                raise ConfigurationError(f"{config.place(key)}: unknown input {name!r}{nearest(name, INPUTS)}")
    if not config.inputs:
        raise ConfigurationError(
            f"{config.place('modalities.inputs')}: expected an active input, but none of "
            f"{', '.join(config.modalities.inputs) or 'them'} is."
        )


def auxiliary_inputs(config: ReferenceConfig) -> tuple[str, ...]:
    """Inputs with an auxiliary decoder, in encoder order; none where there is a single input."""
    chosen = tuple(name for name in config.inputs if config.modalities.aux_loss.get(name))
    return chosen if len(config.inputs) > 1 else ()


def config_taxonomy(config: ReferenceConfig, task: str) -> Taxonomy:
    """The nomenclature of a task.

    Raises:
        ConfigurationError: the class names are not as many as the level's, or their indices have gaps.
    """
    label = config.labels_configs[task]
    key = f"labels_configs.{task}"
    level = label.label_channel_nomenclature
    if task != LPIS and level != 1:
        raise ConfigurationError(
            f"{config.place(f'{key}.label_channel_nomenclature')}: expected 1, the only band of {task}, but got "
            f"{level}."
        )
    found = taxonomy(task, level)
    if sorted(label.value_name) != list(range(found.num_classes)):
        raise ConfigurationError(
            f"{config.place(f'{key}.value_name')}: expected the {found.num_classes} classes 0..{found.num_classes - 1} "
            f"of band {level} of {task}, but got {len(label.value_name)}: {_ranges(sorted(label.value_name))}."
        )
    return found


def _ranges(indices: list[int]) -> str:
    text = ", ".join(map(str, indices))
    return text if len(text) < 80 else f"{text[:80]}..."


def _label(config: ReferenceConfig, task: str) -> dict[str, Any]:
    label = config.labels_configs[task]
    found = config_taxonomy(config, task)
    _check_weights(config, task, label, found.num_classes)
    weights = label.value_weights
    return {
        "level": found.level,
        "task_weight": label.task_weight,
        "class_weights": {
            "default": weights.default,
            "exceptions": dict(weights.default_exceptions),
            "per_modality_exceptions": {
                name: dict(table) for name, table in weights.per_modality_exceptions.items() if table
            },
        },
    }


def _check_weights(config: ReferenceConfig, task: str, label: LabelConfig, classes: int) -> None:
    weights, key = label.value_weights, f"labels_configs.{task}.value_weights"
    tables = {"default_exceptions": weights.default_exceptions}
    tables |= {f"per_modality_exceptions.{name}": table for name, table in weights.per_modality_exceptions.items()}
    for name, table in tables.items():
        unknown = sorted(index for index in table if not 0 <= index < classes)
        if unknown:
            raise ConfigurationError(
                f"{config.place(f'{key}.{name}')}: expected classes 0..{classes - 1}, but got {unknown[0]}."
            )
    if not any(weights.default_exceptions.get(index, weights.default) > 0 for index in range(classes)):
        raise ConfigurationError(
            f"{config.place(key)}: expected a class of {task} with a weight above 0, but all weigh 0."
        )


def _normalisation(config: ReferenceConfig, quirks: Mapping[str, bool]) -> dict[str, Any]:
    kind = norm_type(config)
    found: dict[str, Any] = {}
    for name in config.inputs:
        if MODALITIES[name].is_series or kind == "without":
            found[name] = {"type": "without"}
        elif kind == "scaling":
            scale = SCALES.get(MODALITIES[name].dtype)
            found[name] = {"type": "without"} if scale is None else {"type": "scaling", "scale": scale}
        else:
            pairs = moments(config, name, by_position=quirks["statistics_by_position"])
            found[name] = {
                "type": "custom",
                "statistics": "explicit",
                "means": {band: mean for band, (mean, _) in pairs.items()},
                "stds": {band: std for band, (_, std) in pairs.items()},
            }
    return found


def _preprocessing(config: ReferenceConfig, quirks: Mapping[str, bool]) -> dict[str, Any]:
    steps = config.modalities.pre_processings
    return {
        "calc_elevation": steps.calc_elevation,
        "calc_elevation_stack_dsm": steps.calc_elevation_stack_dsm,
        "filter_sentinel2": {
            "enabled": steps.filter_sentinel2,
            "max_cloud": steps.filter_sentinel2_max_cloud,
            "max_snow": steps.filter_sentinel2_max_snow,
            "max_fraction_covered": steps.filter_sentinel2_max_frac_cover,
        },
        "temporal_average_sentinel2": steps.temporal_average_sentinel2,
        "temporal_average_sentinel1": steps.temporal_average_sentinel1,
        "max_dates": None,
        "empty_slots": "repeated" if quirks["empty_slots"] else "masked",
        "zero_dates": "masked" if quirks["zero_dates"] else "valid",
    }


def _model(config: ReferenceConfig, quirks: Mapping[str, bool], encoder_weights: str | None) -> dict[str, Any]:
    mono, series = config.models.monotemp_model, config.models.multitemp_model
    if series.pad_value != 0:
        raise ConfigurationError(
            f"{config.place('models.multitemp_model.pad_value')}: expected 0, because padding has a mask of its own "
            f"here, but got {series.pad_value}."
        )
    utae = series.model_dump(mode="json", exclude={"ref_date", "pad_value"})
    return {
        "mono": {
            "arch": mono.arch,
            "encoder_weights": encoder_weights,
            "new_channels_init_mode": mono.new_channels_init_mode,
            "decoder_options": mono.decoder_options,
        },
        "utae": {
            **utae,
            "fusion_widths": "published",
            "out_conv": output_widths(config, quirks["appended_classes"]),
            "norm_padding": "counted" if quirks["counted_padding"] else "ignored",
        },
        "ref_date": series.ref_date,
        "aux_decoders": list(auxiliary_inputs(config)),
        "modality_dropout": _dropout(config, quirks),
        "dropout_replacement": "zero",
    }


def output_widths(config: ReferenceConfig, appended: bool) -> list[int]:
    """Widths before the classes: the network appends those unless they are the last already."""
    widths = list(config.models.multitemp_model.out_conv)
    classes = sum(config_taxonomy(config, task).num_classes for task in config.labels)
    return widths if appended or widths[-1] == classes else widths[:-1]


def _dropout(config: ReferenceConfig, quirks: Mapping[str, bool]) -> dict[str, float]:
    asked = {name: config.modalities.modality_dropout.get(name, 0.0) for name in config.inputs}
    if quirks["even_dropout"] and any(config.modalities.modality_dropout.values()):
        return dict.fromkeys(asked, 0.5)
    return {name: share for name, share in asked.items() if share > 0}


def _auxiliary_weights(config: ReferenceConfig, quirks: Mapping[str, bool]) -> float | dict[str, float]:
    """One weight, or one per input; an input that is not named has 1."""
    weight = config.modalities.aux_loss_weight
    if quirks["unused_aux_losses"]:
        return 0.0
    return {name: weight.get(name, 1.0) for name in config.inputs} if isinstance(weight, dict) else weight
