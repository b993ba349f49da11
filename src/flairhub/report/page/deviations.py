"""What differs between the rows and the published recipe on the published data; nothing is listed by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.catalog.rows import PUBLISHED_ROWS, short_modalities
from flairhub.config.params import Params, RowParams
from flairhub.config.profiles import profile_text
from flairhub.config.reader import parse_params
from flairhub.config.resolve import row_recipe
from flairhub.report.page.sources import RowSource
from flairhub.report.results import PUBLISHED_TEST_PATCHES

PUBLISHED = "full"
"""Profile of the published recipe."""

_DATA = {"data": ("source", "subset"), "split": None, "stats": None}
"""Sections that no row's recipe holds; None: all of their keys."""
_NAMES = ("row", "tasks", "modalities")
"""Keys of a recipe that say what the row is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One thing that is not as published."""

    what: str
    """Dotted parameter, or words where it is none."""
    here: str
    published: str
    status: str = ""
    """How sure the published value is, from the profile's provenance: confirmed, inferred or unknown."""


def published_params(profiles: Path) -> Params:
    """Parameters of the published recipe.

    Raises:
        ConfigurationError: there is no profile `full`, or it is broken.
    """
    from ruamel.yaml import YAML

    text = profile_text(profiles, PUBLISHED)
    return parse_params(YAML(typ="safe", pure=True).load(text), f"profiles/{PUBLISHED}.yaml")


def row_deviations(source: RowSource, params: Params, published: Params) -> tuple[Deviation, ...]:
    """What differs between a row and the published recipe, applied to the row's tasks and inputs.

    Args:
        source: the row.
        params: parameters of this benchmark.
        published: from `published_params`.
    """
    receipt, name = source.receipt, source.row
    row = RowParams(tasks=receipt.tasks, modalities=receipt.modalities)
    wanted = row_recipe(published.model_copy(update={"rows": {name: row}}), name).model_dump(mode="json")
    differences = [
        *_differ("", _without(receipt.recipe), _without(wanted)),
        *_differ("", _data_sections(params), _data_sections(published)),
    ]
    deviations = [
        Deviation(what=what, here=_text(here), published=_text(there), status=_status(what, published))
        for what, here, there in sorted(differences, key=lambda item: item[0])
    ]
    return (*_facts(source), *deviations)


def _facts(source: RowSource) -> Iterator[Deviation]:
    """Size of the test set and of the network, and inputs, where the published table states them."""
    known = PUBLISHED_ROWS.get(source.row)
    scored = source.details.n_scored
    if scored != PUBLISHED_TEST_PATCHES:
        yield Deviation(
            what="test patches", here=str(scored), published=str(PUBLISHED_TEST_PATCHES), status="confirmed"
        )
    if known is None:
        yield Deviation(what="row", here=source.row, published="no published row of this name", status="confirmed")
        return
    own = short_modalities(source.receipt.modalities)
    if own != short_modalities(known.modalities):
        yield Deviation(what="inputs", here=own, published=short_modalities(known.modalities), status="confirmed")
    millions = source.receipt.parameters / 1e6
    if f"{millions:.1f}" != f"{known.params_m:.1f}":
        there = f"{known.params_m:.1f}"
        yield Deviation(what="network, M parameters", here=f"{millions:.3f}", published=there, status="confirmed")


def _without(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in recipe.items() if key not in _NAMES}


def _data_sections(params: Params) -> dict[str, Any]:
    values = params.model_dump(mode="json")
    return {
        section: {key: value for key, value in values[section].items() if keys is None or key in keys}
        for section, keys in _DATA.items()
    }


def _differ(where: str, here: Any, there: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every leaf that differs; a number beside a mapping of numbers stands for each of them."""
    here, there = _spread(here, there), _spread(there, here)
    if isinstance(here, Mapping) and isinstance(there, Mapping):
        for key in sorted(here.keys() | there.keys()):
            yield from _differ(f"{where}.{key}" if where else key, here.get(key), there.get(key))
    elif here != there:
        yield where, here, there


def _spread(value: Any, other: Any) -> Any:
    numbers = isinstance(value, int | float) and isinstance(other, Mapping) and other
    if numbers and all(isinstance(each, int | float) for each in other.values()):
        return dict.fromkeys(other, value)
    return value


def _text(value: Any) -> str:
    """A value as params.yaml would write it, on one line."""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, allow_nan=False).replace('"', "")


def _status(what: str, published: Params) -> str:
    """Status of the nearest parameter that the profile's provenance names."""
    parts = what.split(".")
    for count in range(len(parts), 0, -1):
        choice = published.provenance.get(".".join(parts[:count]))
        if choice is not None:
            return choice.status
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedDeviation:
    """A deviation and the rows that have it."""

    deviation: Deviation
    """Its values are those of every row; `BY_ROW` where rows have different ones."""
    rows: tuple[str, ...]


BY_ROW = "by row"


def by_deviation(by_row: Mapping[str, Sequence[Deviation]]) -> tuple[SharedDeviation, ...]:
    """Each thing that differs once, those of more rows first, then in the order of the first row."""
    variants: dict[str, dict[Deviation, list[str]]] = {}
    for row, deviations in by_row.items():
        for deviation in deviations:
            variants.setdefault(deviation.what, {}).setdefault(deviation, []).append(row)
    shared = []
    for what, by_value in variants.items():
        rows = tuple(row for row in by_row if any(row in names for names in by_value.values()))
        first = next(iter(by_value))
        several = Deviation(what=what, here=BY_ROW, published=BY_ROW, status=first.status)
        shared.append(SharedDeviation(deviation=first if len(by_value) == 1 else several, rows=rows))
    return tuple(sorted(shared, key=lambda each: -len(each.rows)))
