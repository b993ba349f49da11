"""Legends: the classes of a task with value, name and colour, as a map reader sees them.

English names are those of the data set. It has no French ones: the French labels in `legend_names_fr.csv` are a
translation made for this package and say so wherever a format has room for it. Nothing that trains imports this.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal, get_args

from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.errors import ConfigurationError, DataError

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

SHORT_TASKS = {"cosia": COSIA, "lpis": LPIS}
"""Short names of the tasks, for typing."""

_TITLES: dict[tuple[str, Language], str] = {
    (COSIA, "en"): "FLAIR-HUB land cover (COSIA)",
    (COSIA, "fr"): "FLAIR-HUB : occupation du sol (COSIA)",
    (LPIS, "en"): "FLAIR-HUB crops (LPIS)",
    (LPIS, "fr"): "FLAIR-HUB : cultures (RPG)",
}
_LEVELS: dict[Language, str] = {"en": "level", "fr": "niveau"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LegendEntry:
    """One class."""

    value: int
    """Value in the raster."""
    name: str
    """Name in the data set (English)."""
    label: str
    """Name in the legend's language."""
    colour: str
    """`#rrggbb`."""
    scored: bool
    """Whether the published protocol scores the class."""

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0..255."""
        red, green, blue = bytes.fromhex(self.colour.removeprefix("#"))
        return red, green, blue


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """The classes of a task at a level, in one language."""

    task: str
    """Label layer, e.g. `AERIAL_LABEL-COSIA`."""
    level: int
    language: Language
    title: str
    entries: tuple[LegendEntry, ...]
    """In the order of their values."""
    notes: tuple[str, ...]
    """What of names and colours is not the data set's own; empty where all is."""


def build_legend(task: str, *, level: int = 1, language: str = "en") -> Legend:
    """The legend of a task.

    Args:
        task: `AERIAL_LABEL-COSIA`, `ALL_LABEL-LPIS`, `cosia` or `lpis`; case does not matter.
        level: LPIS level 1, 2 or 3; COSIA has level 1 only.
        language: `en` or `fr`.

    Raises:
        ConfigurationError: no such task, level or language; the nearest valid name is given.
    """
    known = taxonomy(find_task(task), level)
    spoken = find_language(language)
    labels = known.classes if spoken == "en" else tuple(_french()[known.task, name] for name in known.classes)
    title = _TITLES[known.task, spoken]
    return Legend(
        task=known.task,
        level=level,
        language=spoken,
        title=f"{title}, {_LEVELS[spoken]} {level}" if known.task == LPIS else title,
        entries=tuple(
            LegendEntry(value=value, name=name, label=label, colour=colour, scored=value not in known.unscored)
            for value, (name, label, colour) in enumerate(zip(known.classes, labels, known.colours, strict=True))
        ),
        notes=_notes(known.task, level, spoken),
    )


def find_task(name: str) -> str:
    """The task of a full or short name, whatever its case.

    Raises:
        ConfigurationError: there is none; the message names the nearest one.
    """
    known = {**SHORT_TASKS, **{task.lower(): task for task in SHORT_TASKS.values()}}
    if name.lower() not in known:
        names = [*SHORT_TASKS, *SHORT_TASKS.values()]
        raise ConfigurationError(f"Expected a task, but got {name!r}{nearest_of(name, names)}")
    return known[name.lower()]


def find_language(name: str) -> Language:
    """The language of a code.

    Raises:
        ConfigurationError: there is none.
    """
    for known in LANGUAGES:
        if name.lower() == known:
            return known
    raise ConfigurationError(f"Expected a language, but got {name!r}{nearest_of(name, LANGUAGES)}")


def nearest_of(word: str, known: Iterable[str]) -> str:
    """The hint `; did you mean 'x'? (known: ...)`; case does not matter."""
    names = list(known)
    folded = {name.lower(): name for name in names}
    best = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.0)[0]
    return f"; did you mean {folded[best]!r}? (known: {', '.join(names)})"


def _notes(task: str, level: int, language: Language) -> tuple[str, ...]:
    notes = []
    if language == "fr":
        notes.append("The data set names its classes in English only: the French names are a translation of flairhub.")
    if task == LPIS and level > 1:
        notes.append(
            f"No colours are published for level {level}: these are shades of the published colours of level 1."
        )
    return tuple(notes)


@lru_cache(maxsize=1)
def _french() -> dict[tuple[str, str], str]:
    """(task, English name) -> French label.

    Raises:
        DataError: the packaged table lacks a class or has one that no taxonomy has.
    """
    text = files("flairhub.maps").joinpath("legend_names_fr.csv").read_text(encoding="utf-8")
    table = {(line["task"], line["name"]): line["label"] for line in csv.DictReader(text.splitlines())}
    wanted = {(COSIA, name) for name in taxonomy(COSIA).classes}
    wanted |= {(LPIS, name) for level in (1, 2, 3) for name in taxonomy(LPIS, level).classes}
    if table.keys() != wanted:
        raise DataError(
            f"legend_names_fr.csv: expected one label per class, but {sorted(table.keys() ^ wanted)} differ; "
            "reinstall flairhub."
        )
    return table
