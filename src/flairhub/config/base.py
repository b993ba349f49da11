"""The base of every section of the parameters: frozen, typed, closed to unknown keys."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from flairhub.errors import ConfigurationError

SectionT = TypeVar("SectionT", bound="Section")


_OF_THE_MACHINE = {
    "data.layout": "; it changes no result, so it is a setting of this machine: `layout: extracted` or `layout: "
    "stored` in local.yaml, or FLAIRHUB_LAYOUT"
}
"""Keys that one may look for among parameters -> where they are."""


class Section(BaseModel):
    """An immutable group of parameters. Unknown keys are refused, every field says its unit."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, protected_namespaces=()
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint `; did you mean 'x'?`, with the list of what is known where the nearest name is not close."""
    names = sorted(str(name) for name in known)
    if not names:
        return ""
    best = difflib.get_close_matches(word, names, n=1, cutoff=0.0)[0]
    hint = f"; did you mean {best!r}?"
    close = difflib.SequenceMatcher(None, word, best).ratio() >= 0.6
    return hint if close else f"{hint} (known: {', '.join(names)})"


def build(section: type[SectionT], values: Mapping[str, Any], where: str) -> SectionT:
    """Validate plain values into a section.

    Args:
        section: the section's class.
        values: nested plain data, as read from YAML.
        where: name of the file or table, for messages.

    Raises:
        ConfigurationError: a key is unknown (the nearest valid one is named) or a value does not fit.
    """
    try:
        return section.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigurationError(_explain(error, section, where)) from None


def _explain(error: ValidationError, section: type[Section], where: str) -> str:
    lines: dict[str, str] = {}
    problems = error.errors(include_url=False)
    missing = {item["loc"] for item in problems if item["type"] == "missing"}
    for item in problems:
        path = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            parent, key = item["loc"][:-1], str(item["loc"][-1])
            known = _fields_at(section, parent)
            # A renamed key is one mistake, not a key too many and one too few.
            lacking = [str(loc[-1]) for loc in missing if loc[:-1] == parent]
            meant = known if difflib.get_close_matches(key, known, n=1) or not lacking else lacking
            lines[path] = f"unknown key `{path}`{_OF_THE_MACHINE.get(path) or nearest(key, meant)}"
            missing -= {(*parent, name) for name in difflib.get_close_matches(key, meant, n=1, cutoff=0.0)}
        elif item["type"] != "missing":
            lines[path] = f"`{path}`: {item['msg']}, but got {_shown(item.get('input'))}"
    absent = [".".join(str(part) for part in loc) for loc in sorted(missing, key=str)]
    return f"{where}: " + "; ".join([*lines.values(), *(f"`{path}` is missing" for path in absent)])


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _fields_at(section: type[Section], path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields that are valid at `path` inside a section."""
    current: Any = section
    for part in path:
        field = current.model_fields.get(part) if _is_section(current) else None
        candidates = _section_types(field.annotation) if field else _section_types(current)
        if not candidates:
            return []
        current = candidates[0]
    sections = _section_types(current)
    return list(sections[0].model_fields) if sections else []


def _is_section(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Section)


def _section_types(annotation: Any) -> list[type[Section]]:
    if _is_section(annotation):
        return [annotation]
    sections: list[type[Section]] = []
    for argument in getattr(annotation, "__args__", ()):
        sections.extend(_section_types(argument))
    return sections
