"""The plan of the house: no circle between files, no room and no file too big, records read by their classes alone."""

from __future__ import annotations

import ast
import re
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
FILES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (SOURCE / "flairhub").rglob("*.py")
}


def imports(path: Path) -> set[str]:
    """Files of the package that a file names in an import, wherever it stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= parts & FILES.keys() or {node.module}
    return found & FILES.keys()


def test_files_import_each_other_in_no_circle():
    assert len(list(TopologicalSorter({name: imports(path) for name, path in FILES.items()}).static_order())) == len(
        FILES
    )


def test_no_file_and_no_room_is_too_big():
    lines = {name: path.read_text(encoding="utf-8").count("\n") for name, path in FILES.items()}
    assert {name: number for name, number in lines.items() if number > 300} == {}
    rooms: Counter[str] = Counter()
    for name, number in lines.items():
        rooms[name.split(".")[1] if "." in name else ""] += number
    assert max(rooms.values()) <= 0.12 * sum(rooms.values()), rooms.most_common(3)


def test_receipts_and_details_are_indexed_by_no_string():
    indexed = re.compile(r"\b(?:receipt|details)\[[\"']")
    places = [*SOURCE.rglob("*.py"), *(SOURCE.parent / "stages").glob("*.py"), *(SOURCE.parent / "tests").rglob("*.py")]
    assert [path.name for path in places if indexed.search(path.read_text(encoding="utf-8"))] == []
