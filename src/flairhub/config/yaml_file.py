"""Reading YAML 1.2, as DVC does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flairhub.errors import ConfigurationError, MissingFileError


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping from a YAML 1.2 file (`1e-4` is a number, `no` is a string), as DVC does.

    Raises:
        MissingFileError: there is no such file.
        ConfigurationError: not UTF-8, not valid YAML, a duplicate key, or not a mapping.
    """
    if not path.is_file():
        raise MissingFileError(f"Expected a YAML file at {path}, but there is none.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(
            f"{path.name}: expected UTF-8, but line {line} holds the byte {error.object[error.start]:#x}; save the "
            "file as UTF-8."
        ) from None
    return parse_yaml(text, path.name)


def problem(error: Exception) -> str:
    """What is wrong with a text that ruamel.yaml refused, and where, in one line."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    return f"{' '.join(str(getattr(error, 'problem', error)).split())}, line {mark.line + 1}, column {mark.column + 1}"


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """As `read_yaml`, of a text.

    Args:
        text: YAML 1.2.
        where: name of its file, for messages.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        values = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, RecursionError) as error:
        raise ConfigurationError(f"{where} is not valid YAML 1.2: {problem(error)}") from None
    if not isinstance(values, dict):
        raise ConfigurationError(f"Expected {where} to hold a mapping, but got {type(values).__name__}.")
    return values
