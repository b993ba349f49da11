"""From params.yaml to the recipe of one row: overrides merged, everything the row does not use removed.

What is removed cannot re-run the row: that is what makes a change in one modality's parameters invisible to
the rows that do not have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from flairhub.catalog.modalities import INPUTS, MODALITIES
from flairhub.config.base import build, nearest
from flairhub.config.params import OVERRIDABLE, Params, RowParams
from flairhub.config.reader import band_names, parse_params
from flairhub.config.recipe import IMAGENET, RELEASED, TRAINED, Recipe
from flairhub.config.training import EvaluateParams
from flairhub.errors import ConfigurationError

_WHOLE = ("decoder_options",)
_S1 = ("SENTINEL1-ASC_TS", "SENTINEL1-DESC_TS")


def merged(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `override`, merged key by key through nested mappings.

    Options of a decoder are taken whole: those of one decoder mean nothing to another.
    """
    result = dict(base)
    for key, value in override.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping) and key not in _WHOLE
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]  # `both` narrows old
    return result


def row_params(params: Params, row: str) -> Params:
    """The parameters with one row's overrides applied.

    Raises:
        ConfigurationError: the row is unknown, or an override breaks the schema.
    """
    settings = _row(params, row)
    values = params.model_dump(mode="python")
    for section in OVERRIDABLE:
        override = getattr(settings, section)
        if override is not None:
            values[section] = merged(values[section], override)
    return parse_params(values, f"params.yaml, rows.{row}")


def row_recipe(params: Params, row: str) -> Recipe:
    """The recipe of one row.

    Raises:
        ConfigurationError: as `row_params`, or a modality of the row has no channels or normalisation.
    """
    where = f"params.yaml, rows.{row}"
    return recipe_from(row_params(params, row).model_dump(mode="python"), row, _row(params, row), where)


def recipe_from(values: Mapping[str, Any], row: str, settings: RowParams, where: str) -> Recipe:
    """The recipe of a row whose parameters are at hand.

    Args:
        values: sections of parameters as plain data, the row's own values applied.
        row: identifier.
        settings: what the row is; its overrides are not read.
        where: what to name in messages.

    Raises:
        ConfigurationError: a modality or task of the row has no entry, or a value does not fit.
    """
    modalities = tuple(name for name in INPUTS if name in settings.modalities)
    seeds = settings.seeds or (values["train"]["seed"],)
    return build(
        Recipe,
        {
            "row": row,
            "tasks": settings.tasks,
            "modalities": modalities,
            "weights": _weights(settings.weights),
            "seeds": seeds,
            "channels": {
                name: band_names(name, _of(values["channels"], name, f"{where}: channels"), where)
                for name in modalities
            },
            "normalisation": {
                name: _normalisation(_of(values["normalisation"], name, f"{where}: normalisation"))
                for name in modalities
            },
            "preprocessing": _preprocessing(values["preprocessing"], modalities),
            "labels": {
                task: _label(_of(values["labels"], task, f"{where}: labels"), modalities) for task in settings.tasks
            },
            "augmentation": values["augmentation"],
            "model": _model(values["model"], modalities, where),
            "loss": _loss(values["loss"], modalities),
            "train": {**values["train"], "seed": seeds[0]},
        },
        where,
    )


def row_evaluation(params: Params, row: str) -> EvaluateParams:
    """The evaluation parameters of one row, kept out of the recipe so that they never retrain it."""
    return row_params(params, row).evaluate


def _row(params: Params, row: str) -> RowParams:
    if row not in params.rows:
        raise ConfigurationError(f"params.yaml has no row {row!r}{nearest(row, params.rows)}")
    return params.rows[row]


def _of(values: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in values:
        raise ConfigurationError(f"{where} has no entry for {name}; nothing is assumed, give one.")
    return values[name]


def _weights(value: str) -> str:
    """The name of a weights file instead of its path."""
    return value if value in {TRAINED, RELEASED} else PurePath(value).name


def _normalisation(values: dict[str, Any]) -> dict[str, Any]:
    """Only the fields that the chosen type reads."""
    kind = values["type"]
    if kind == "scaling":
        return {"type": kind, "scale": values["scale"]}
    if kind == "without":
        return {"type": kind}
    kept = {"type": kind, "statistics": values["statistics"]}
    if kept["statistics"] == "explicit":
        kept |= {"means": values["means"], "stds": values["stds"]}
    return kept


def _preprocessing(values: dict[str, Any], modalities: tuple[str, ...]) -> dict[str, Any]:
    result = dict(values)
    if "DEM_ELEV" not in modalities:
        result |= {"calc_elevation": False, "calc_elevation_stack_dsm": False}
    if "SENTINEL2_TS" not in modalities:
        result["temporal_average_sentinel2"] = None
    if "SENTINEL2_TS" not in modalities or not values["filter_sentinel2"]["enabled"]:
        result["filter_sentinel2"] = {"enabled": False, "max_cloud": 0, "max_snow": 0, "max_fraction_covered": 0}
    if not any(name in modalities for name in _S1):
        result["temporal_average_sentinel1"] = None
    if not any(MODALITIES[name].is_series for name in modalities):
        result |= {"max_dates": None, "zero_dates": "valid"}
    if result["temporal_average_sentinel2"] is None and result["temporal_average_sentinel1"] is None:
        result["empty_slots"] = "masked"
    return result


def _label(values: dict[str, Any], modalities: tuple[str, ...]) -> dict[str, Any]:
    weights = dict(values["class_weights"])
    weights["per_modality_exceptions"] = {
        name: table for name, table in weights["per_modality_exceptions"].items() if name in modalities
    }
    return {**values, "class_weights": weights}


def _model(values: dict[str, Any], modalities: tuple[str, ...], where: str) -> dict[str, Any]:
    mono = any(MODALITIES[name].kind == "mono" for name in modalities)
    series = any(MODALITIES[name].is_series for name in modalities)
    for key, needed in (("mono", mono), ("utae", series)):
        if needed and values[key] is None:
            raise ConfigurationError(
                f"{where}: expected `model.{key}`, the network of {'images' if key == 'mono' else 'series'}, because "
                f"the row has {', '.join(modalities)}; but got null: give its settings."
            )
    dropout = {name: p for name, p in values["modality_dropout"].items() if name in modalities and p > 0}
    return {
        **values,
        "mono": _mono(values["mono"]) if mono else None,
        "utae": values["utae"] if series else None,
        "modality_dropout": dropout,
        "dropout_replacement": values["dropout_replacement"] if dropout else "zero",
    }


def _mono(values: dict[str, Any]) -> dict[str, Any]:
    """The name of a file of initial weights instead of its path."""
    file = values["encoder_weights"]
    return values if file in {None, IMAGENET} else {**values, "encoder_weights": PurePath(file).name}


def _loss(values: dict[str, Any], modalities: tuple[str, ...]) -> dict[str, Any]:
    weight = values["aux_loss_weight"]
    if isinstance(weight, Mapping):
        weight = {name: w for name, w in weight.items() if name in modalities}
    return {**values, "aux_loss_weight": weight}
