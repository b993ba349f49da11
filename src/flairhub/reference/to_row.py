"""`flairhub import`: a configuration of the reference as a row of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flairhub.config.params import OVERRIDABLE, Params
from flairhub.config.recipe import IMAGENET, TRAINED
from flairhub.config.resolve import merged
from flairhub.reference.folder import ReferenceConfig
from flairhub.reference.recipe import AUTO, row_values

_FILLED = {"modality_dropout": 0.0}
"""Tables of which a row can only change entries -> what an entry is that the configuration does not have."""


def row_of(config: ReferenceConfig, params: Params, quirks: Mapping[str, bool]) -> dict[str, Any]:
    """The row as params.yaml writes it: what it is, and where it differs from the file's other sections.

    Args:
        config: the configuration.
        params: the parameters that the row is to lie beside.
        quirks: name -> kept or not.

    Raises:
        ConfigurationError: the configuration contradicts itself.
    """
    named = config.models.monotemp_model.encoder_weights
    values = merged(row_values(config, quirks, encoder_weights=IMAGENET if named == AUTO else named), config.own)
    row: dict[str, Any] = {"tasks": values["tasks"], "modalities": values["modalities"]}
    weights = config.own.get("weights", _weights(config))
    if weights != TRAINED:
        row["weights"] = weights
    if config.own.get("seeds") is not None:
        row["seeds"] = list(config.own["seeds"])
    base = params.model_dump(mode="json")
    for section in OVERRIDABLE:
        changes = _changes(base[section], _plain(values[section]), section) if section in values else {}
        if changes:
            row[section] = changes
    return row


def _weights(config: ReferenceConfig) -> str:
    """Weights that are only predicted with; a training starts anew in the graph."""
    path = config.paths.ckpt_model_path
    return path if path is not None and not config.tasks.train else TRAINED


def _changes(base: Mapping[str, Any], wanted: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What has to be laid over `base` to have `wanted`."""
    found: dict[str, Any] = {}
    for key, value in wanted.items():
        old = base.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and key != "decoder_options":
            inner = _changes(old, value, str(key))
            if inner:
                found[key] = inner
        elif key not in base or _numbers(old) != _numbers(value):
            found[key] = value
    if name in _FILLED:
        found |= {key: _FILLED[name] for key in base if key not in wanted and base[key] != _FILLED[name]}
    return found


def _numbers(value: Any) -> Any:
    """A value that compares as the parameters do: 1 is 1.0, a tuple is a list."""
    if isinstance(value, list | tuple):
        return [_numbers(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _numbers(each) for key, each in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _plain(section: Any) -> Any:
    """With text keys, as a dump of the parameters has them, and class indices among them."""
    if isinstance(section, Mapping):
        return {key if isinstance(key, str) else str(key): _plain(value) for key, value in section.items()}
    return list(section) if isinstance(section, tuple) else section
