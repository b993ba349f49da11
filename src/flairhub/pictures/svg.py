"""Matplotlib figures as SVG inside a page: no ids that meet, colours of the page's theme, small and stable."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from flairhub.pictures.canvas import own_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SOFT, LINE, BAR, PAPER = "#010203", "#020304", "#030405", "#040506", "#050607"
"""Stand-ins for colours of the theme: matplotlib knows no CSS variables."""

MARK = "mark:"
"""A matplotlib gid that begins like this becomes the attribute `data-mark`, for the page's script and titles."""

_THEME = {INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)", BAR: "var(--bar)", PAPER: "var(--paper)"}
_STYLE: Any = {
    "font.size": 8,
    "font.family": "DejaVu Sans",  # comes with matplotlib: measured the same on every machine
    "svg.hashsalt": "flairhub",
    "svg.fonttype": "none",
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.labelcolor": SOFT,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "grid.color": LINE,
}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_LONG_NUMBER = re.compile(r"(\.\d\d)\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"font: ([\d.]+px) [^;]*|font-family: [^;]*;?")


@contextmanager
def themed_figure(width: float, height: float) -> Iterator[Figure]:
    """A figure without background, in inches, whose colours are the stand-ins of this module."""
    from matplotlib.figure import Figure

    with own_style(_STYLE):
        yield Figure(figsize=(width, height), facecolor="none")


def inline_svg(figure: Figure, *, label: str, prefix: str, titles: Mapping[str, str] | None = None) -> str:
    """The figure as an `<svg>` element.

    Args:
        figure: from `themed_figure`, inside its block.
        label: what it shows, for readers who do not see it.
        prefix: unique on the page; begins every id that is left.
        titles: text that appears over the element of a mark.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - written in the line above
    kept = set(_references(root))
    for parent in root.iter():
        for child in list(parent):
            if child.tag.rpartition("}")[2] in {"metadata", "style"}:  # a style would rule the whole page
                parent.remove(child)
    for element in root.iter():
        _clean(element, kept, prefix, titles or {})
    box = root.attrib["viewBox"].split()
    root.attrib = {
        "viewBox": " ".join(f"{float(number):g}" for number in box),
        "width": f"{float(box[2]) * 4 / 3:.0f}",
        "height": f"{float(box[3]) * 4 / 3:.0f}",
        "role": "img",
        "aria-label": label,
    }
    return re.sub(r"\s*\n\s*", "\n", ET.tostring(root, encoding="unicode")).strip()


def _references(root: ET.Element) -> Iterator[str]:
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == f"{{{_XLINK}}}href":
                yield value.removeprefix("#")
            yield from _REFERENCE.findall(value)


def _clean(element: ET.Element, kept: set[str], prefix: str, titles: Mapping[str, str]) -> None:
    """Names without namespace, ids that nobody else has, colours of the theme, two decimals."""
    element.tag = element.tag.rpartition("}")[2]
    attributes: dict[str, str] = {}
    for name, value in element.attrib.items():
        short = name.rpartition("}")[2]
        if short == "id":
            if value.startswith(MARK):
                attributes["data-mark"] = value.removeprefix(MARK)
            elif value in kept:
                attributes["id"] = f"{prefix}-{value}"
            continue
        if short == "href":
            value = value.replace("#", f"#{prefix}-", 1)  # noqa: PLW2901 - the value under its new name
        attributes[short] = _themed(_LONG_NUMBER.sub(r"\1", _REFERENCE.sub(rf"url(#{prefix}-\1)", value)))
    element.attrib = attributes
    title = titles.get(attributes.get("data-mark", ""))
    if title is not None:
        child = ET.Element("title")
        child.text = title
        element.insert(0, child)


def _themed(value: str) -> str:
    for stand_in, variable in _THEME.items():
        value = value.replace(stand_in, variable)
    return _FONT.sub(lambda match: f"font-size: {match[1]}" if match[1] else "", value)
