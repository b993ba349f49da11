"""Trees of values, of which hypothesis replaces some, and what a call says where it refuses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from flairhub.errors import ConfigurationError

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["LC-A", "AERIAL_RGBI", "auto", "1e400", "2025-02-30", "../x", "\x00"]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a tree of mappings and lists."""
    found = [path] if path else []
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        found += paths(child, (*path, key))
    return found


@st.composite
def edited(draw: st.DrawFn, values: dict[str, Any], places: list[tuple[Any, ...]]) -> dict[str, Any]:
    """The values with one to three of these places replaced, taken away, or moved under another key."""
    values = copy.deepcopy(values)
    for path in draw(st.lists(st.sampled_from(places), min_size=1, max_size=3, unique=True)):
        node: Any = values
        try:
            for key in path[:-1]:
                node = node[key]
            old = node[path[-1]] if isinstance(node, dict | list) else node[None]
        except (KeyError, IndexError, TypeError):  # under what an earlier edit took away
            continue
        what = draw(st.sampled_from(["replace", "replace", "negate", "remove", "rename"]))
        if what == "negate" and isinstance(old, int | float):
            node[path[-1]] = -old
        elif what == "remove":
            del node[path[-1]]
        elif what == "rename" and isinstance(node, dict):
            node[draw(st.text(max_size=6))] = node.pop(path[-1])
        else:
            node[path[-1]] = draw(anything)
    return values


def refusal(call: Callable[[], object]) -> str | None:
    """What was said where the call is refused."""
    try:
        call()
    except ConfigurationError as error:
        return str(error)
    return None
