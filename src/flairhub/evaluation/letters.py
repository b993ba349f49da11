"""Compact letter display: rows that share a letter are not told apart.

Method: insert and absorb, H.-P. Piepho, J. Comput. Graph. Stat. 13 (2004) 456-466.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence


def letter_groups(ordered: Sequence[str], different: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Letters of each name.

    Args:
        ordered: names, best first: the best gets the letter `a`.
        different: pairs that differ, in either order.

    Returns:
        name -> letters. Two names share a letter exactly where they are not in `different`.
    """
    columns: list[frozenset[str]] = [frozenset(ordered)]
    for first, second in different:
        split: list[frozenset[str]] = []
        for column in columns:
            split += [column - {first}, column - {second}] if {first, second} <= column else [column]
        columns = _absorb(split)
    position = {name: i for i, name in enumerate(ordered)}
    columns.sort(key=lambda column: sorted(position[name] for name in column))
    return {name: "".join(_letter(i) for i, column in enumerate(columns) if name in column) for name in ordered}


def _absorb(columns: list[frozenset[str]]) -> list[frozenset[str]]:
    """Drop columns that lie inside another, keeping the first of equal ones."""
    kept: list[frozenset[str]] = []
    for column in sorted(dict.fromkeys(columns), key=lambda c: (-len(c), sorted(c))):
        if column and not any(column <= other for other in kept):
            kept.append(column)
    return kept


def _letter(index: int) -> str:
    """a..z, A..Z, then numbered in brackets."""
    return string.ascii_letters[index] if index < len(string.ascii_letters) else f"({index})"
