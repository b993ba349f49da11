"""One row of params.yaml written into its text, everything else as it was."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any


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
