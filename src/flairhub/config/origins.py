"""Where each value in force comes from: the row, params.yaml, a profile, or a default of the schema."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.config.profiles import BASE, profile_layers, profile_names, profile_text
from flairhub.config.reader import parse_params
from flairhub.config.resolve import row_evaluation, row_params, row_recipe
from flairhub.config.yaml_file import parse_yaml, read_yaml

ROW, PARAMS, DEFAULT = "row", "params", "default"
"""Origins beside `profile NAME`."""

_FIRST = ("tasks", "modalities", "weights", "seeds")
"""What a row says of itself, shown before the sections."""

_EMPTIED = ("preprocessing.", "model.", "loss.")
"""Sections of a recipe in which what the row's inputs have no use for has another value than in params.yaml."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value in force."""

    name: str
    """Dotted key, as `flairhub use --set` takes it."""
    value: Any
    origin: str


def resolved_settings(params: Path, profiles: Path, row: str | None = None) -> list[Setting]:
    """Every value in force, in the order of the file; a default that is null is left out.

    Args:
        params: params.yaml.
        profiles: folder of the profiles.
        row: a row, whose recipe and evaluation are then shown, without what its inputs have no use for; None: the
            file, rows included, provenance left out.

    Raises:
        ConfigurationError: the file breaks the schema, or has no such row.
    """
    raw = read_yaml(params)
    parsed = parse_params(raw, params.name)
    origins = _Origins(raw, profiles)
    if row is None:
        values = parsed.model_dump(mode="json", exclude={"provenance", "rows"})
        rows = parsed.model_dump(mode="json", exclude_unset=True, include={"rows"})
        settings = [Setting(name, value, origins.of(name)) for name, value in _leaves(values | rows)]
    else:
        recipe = row_recipe(parsed, row).model_dump(mode="json", exclude={"row"})
        evaluation = row_evaluation(parsed, row).model_dump(mode="json")
        before = dict(_leaves(row_params(parsed, row).model_dump(mode="json")))
        own = [name for name, _ in _leaves(raw["rows"][row])]
        settings = [
            Setting(name, value, _origin_in_row(name, own, origins))
            for name, value in _leaves(recipe | {"evaluate": evaluation})
            if not name.startswith(_EMPTIED) or before.get(name) == value
        ]
    place = {name: number for number, name in enumerate([*_FIRST, *(name for name, _ in _leaves(raw))])}
    sections = {name: number for number, name in enumerate([*_FIRST, *raw])}
    shown = [each for each in settings if each.origin != DEFAULT or each.value is not None]
    return sorted(
        shown, key=lambda each: (sections.get(each.name.split(".")[0], len(sections)), place.get(each.name, len(place)))
    )


def _origin_in_row(name: str, own: Collection[str], origins: _Origins) -> str:
    if _covered(name, own) or (name == "train.seed" and "seeds" in own):
        return ROW
    return origins.of("train.seed" if name == "seeds" else name)


class _Origins:
    """Origins of the values in params.yaml: a profile's, as far as they are what the profile that it names gives."""

    def __init__(self, raw: Mapping[str, Any], profiles: Path) -> None:
        named = str(raw["profile"])
        name = named if named in profile_names(profiles) else BASE
        self._raw = dict(_leaves(raw))
        self._profile = dict(_leaves(parse_yaml(profile_text(profiles, name), name)))
        self._layers = {layer: dict(_leaves(values)) for layer, values in profile_layers(profiles, name).items()}

    def of(self, name: str) -> str:
        """The origin of a dotted key."""
        if name not in self._raw:
            return DEFAULT
        if name not in self._profile or self._profile[name] != self._raw[name]:
            return PARAMS
        layers = [layer for layer, values in self._layers.items() if _covered(name, values)]
        return f"profile {layers[-1] if layers else BASE}"


def _covered(name: str, names: Collection[str]) -> bool:
    """Whether a key, or one above it, is among the names."""
    parts = name.split(".")
    return any(".".join(parts[:count]) in names for count in range(1, len(parts) + 1))


def _leaves(values: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
