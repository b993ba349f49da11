"""`flairhub import`: a configuration of the reference as a row of params.yaml, and that row in the file's text."""

from __future__ import annotations

import io
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
        changes = differences(base[section], _plain(values[section]), section) if section in values else {}
        if changes:
            row[section] = changes
    return row


def _weights(config: ReferenceConfig) -> str:
    """Weights that are only predicted with; a training starts anew in the graph."""
    path = config.paths.ckpt_model_path
    return path if path is not None and not config.tasks.train else TRAINED


def differences(base: Mapping[str, Any], wanted: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What has to be laid over the section `base` of this name to have `wanted`."""
    found: dict[str, Any] = {}
    for key, value in wanted.items():
        old = base.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and key != "decoder_options":
            inner = differences(old, value, key)
            if inner:
                found[key] = inner
        elif key not in base or old != value:
            found[key] = value
    if name in _FILLED:
        found |= {key: _FILLED[name] for key in base if key not in wanted and base[key] != _FILLED[name]}
    return found


def _plain(section: Any) -> Any:
    """With text keys, as a dump of the parameters has them, and class indices among them."""
    if isinstance(section, Mapping):
        return {key if isinstance(key, str) else str(key): _plain(value) for key, value in section.items()}
    return list(section) if isinstance(section, tuple) else section


def with_row(text: str, name: str, row: Mapping[str, Any]) -> str:
    """The text of params.yaml with a row added or replaced; comments and layout stay.

    Args:
        text: of params.yaml.
        name: identifier of the row.
        row: as the file is to have it.
    """
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    if document.get("rows") is None:
        document["rows"] = {}
    document["rows"][name] = _flow(row)
    buffer = io.StringIO()
    yaml.dump(document, buffer)
    return buffer.getvalue()


def _flow(value: Any, depth: int = 0) -> Any:
    """Lists, and mappings below a section, on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, Mapping):
        found = CommentedMap({_key(key): _flow(each, depth + 1) for key, each in value.items()})
        if depth > 1:
            found.fa.set_flow_style()
        return found
    if isinstance(value, list | tuple):
        sequence = CommentedSeq(_flow(each, depth + 1) for each in value)
        sequence.fa.set_flow_style()
        return sequence
    return value


def _key(key: Any) -> Any:
    """Class indices are numbers."""
    return int(key) if isinstance(key, str) and key.isdigit() else key
