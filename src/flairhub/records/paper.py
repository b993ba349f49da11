"""What every JSON file between two stages has in common: one class writes it and reads it, and its `format` is checked.

A subclass is a frozen dataclass whose fields are the file's; `layout` alone knows where each file lies. Undefined
figures are None; NaN and infinity are refused in both directions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from flairhub.errors import DataError, MissingFileError
from flairhub.files import write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A JSON file that passes between stages or to a user's hands."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    FORMAT: ClassVar[int | None] = 1
    """Version of the file's layout; None where another program reads the file and takes every number for a figure."""
    MADE_BY: ClassVar[str]
    """The command that makes it, for messages."""
    INDENT: ClassVar[int | None] = 1
    """As in `json.dumps`; None: one compact line."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            MissingFileError: there is none.
            DataError: it is not JSON, holds NaN or an infinity, has another format, or its fields are not those of the
                class.
        """
        fields = read_object(path, cls.MADE_BY)
        stated = fields.pop("format", None) if cls.FORMAT is not None else None
        if stated != cls.FORMAT or isinstance(stated, bool):
            raise DataError(
                f"{path}: expected {cls.__name__.lower()} of format {cls.FORMAT}, but got {stated!r}; run "
                f"`{cls.MADE_BY}`."
            )
        return cls.of_values(fields, str(path))

    @classmethod
    def of_values(cls, values: Mapping[str, Any], where: str) -> Self:
        """From plain data, without its format.

        Args:
            values: as `values()` gives them.
            where: the file, for messages.

        Raises:
            DataError: a field is missing, unknown or of another type.
        """
        try:
            made: Self = _adapter(cls).validate_json(json.dumps(values))
        except ValidationError as error:
            raise DataError(f"{where}: {_explained(error)}; run `{cls.MADE_BY}`.") from None
        return made

    def values(self) -> dict[str, Any]:
        """The fields as plain data, without the format."""
        plain: dict[str, Any] = _adapter(type(self)).dump_python(self, mode="json")
        return plain

    def write(self, path: Path) -> None:
        """Write the file; equal papers give equal bytes.

        Raises:
            ValueError: a figure is NaN or infinite.
        """
        write_json(path, self.plain(), indent=self.INDENT)

    def plain(self) -> dict[str, Any]:
        """What the file says, with its format."""
        return self.values() | ({} if self.FORMAT is None else {"format": self.FORMAT})


def read_object(path: Path, made_by: str) -> dict[str, Any]:
    """A JSON object.

    Args:
        path: the file.
        made_by: the command that makes it, for messages.

    Raises:
        MissingFileError: there is none.
        DataError: it is not JSON, holds NaN or an infinity, or is no object.
    """
    if not path.is_file():
        raise MissingFileError(f"Expected {path}, but it does not exist; `dvc pull` fetches it, `{made_by}` makes it.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected JSON without NaN, but got {type(error).__name__}: {error}.") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a JSON object, but got {type(value).__name__}.")
    return value


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _refuse(text: str) -> Any:
    raise ValueError(f"the number {text}")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _explained(error: ValidationError) -> str:
    """The first thing that is wrong, and how many more there are."""
    first, *others = error.errors(include_url=False)
    place = ".".join(str(part) for part in first["loc"])
    more = f" ({len(others)} more)" if others else ""
    return f"expected other fields, but `{place}`: {first['msg']}{more}"
