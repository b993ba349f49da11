"""Names, colours and parents of the classes of COSIA and of the three LPIS levels, in the order of the data set.

They are the rows of `classes.csv` beside this file. Colours are the published ones; LPIS levels 2 and 3 have none, and
parents from which `taxonomies` derives theirs.
"""

from __future__ import annotations

import csv
from importlib.resources import files

_LINES = tuple(
    csv.DictReader(files("flairhub.catalog").joinpath("classes.csv").read_text(encoding="ascii").splitlines())
)


def _column(nomenclature: str, column: str) -> tuple[str, ...]:
    return tuple(line[column] for line in _LINES if line["nomenclature"] == nomenclature)


COSIA_CLASSES, COSIA_COLOURS = _column("COSIA", "name"), _column("COSIA", "colour")
LPIS_1, LPIS_1_COLOURS = _column("LPIS-1", "name"), _column("LPIS-1", "colour")
LPIS_2, LPIS_3 = _column("LPIS-2", "name"), _column("LPIS-3", "name")

LPIS_PARENTS_2 = tuple(map(int, _column("LPIS-2", "parent")))
"""Level-1 class that each level-2 class belongs to, by name (used for colours and for the sample data)."""

LPIS_PARENTS_3 = tuple(map(int, _column("LPIS-3", "parent")))
"""Level-1 class that each level-3 class belongs to, by name."""
