"""The templates of the page, filled; all text is escaped but for what this package has drawn itself."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

_TEMPLATES = ("page.html.j2", "row.html.j2", "sections.html.j2", "macros.html.j2", "page.css", "page.js")


def render(template: str, **values: Any) -> str:
    """A template of this folder as text; `style` and `script` are the page's own."""
    import jinja2
    from markupsafe import Markup

    texts = {name: _read(name) for name in _TEMPLATES}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(texts),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(
        style=Markup(texts["page.css"]),  # noqa: S704 - a file of this package
        script=Markup(texts["page.js"]),  # noqa: S704 - a file of this package
        **values,
    )
    return page.rstrip() + "\n"


def drawn(svg: str) -> Markup:
    """An SVG of this package; its text went through an XML writer."""
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704 - drawn here, its texts escaped by matplotlib


def _read(name: str) -> str:
    return resources.files("flairhub.report.page").joinpath("templates", name).read_text(encoding="utf-8")
