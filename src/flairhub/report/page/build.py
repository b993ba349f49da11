"""`reports/index.html`: the whole benchmark on one page that loads nothing.

The same inputs give the same bytes. All text is escaped; what is not escaped is made in this package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flairhub.config.params import Params
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.files import write_text
from flairhub.pictures.curves import draw_curves, top_miou
from flairhub.pictures.domain_map import DomainMap, draw_map, read_domains, scale_of
from flairhub.report.page.deviations import by_deviation, published_params, row_deviations
from flairhub.report.page.examples import RIGHT, UNSCORED, WRONG, choose_examples, example_views
from flairhub.report.page.rendering import drawn, render
from flairhub.report.page.rows import row_id, row_view
from flairhub.report.page.sources import PageSources, read_sources
from flairhub.report.page.tables import (
    anchor,
    confusion_view,
    domain_values,
    domains_view,
    inputs_view,
    less_input_view,
    section_view,
    spread_view,
)
from flairhub.report.results import COMPARABLE_PROFILES
from flairhub.report.table import Section, Table
from flairhub.report.text import decimals, interval_text


def write_page(
    params: Params, table: Table, path: Path, *, root: Path, workspace: Workspace, settings: RuntimeSettings
) -> None:
    """Write the page of a table's rows.

    Args:
        params: all parameters.
        table: from `report.build_report`.
        path: destination; links on the page suppose `<root>/reports/`.
        root: the repository.
        workspace: its main folder holds the store of archives.
        settings: of this machine; only where local archives lie is read.

    Raises:
        MissingFileError: an archive that an example patch lies in is not there.
        DataError: an example does not fit its label.
    """
    write_text(path, render_page(params, table, read_sources(params, root, workspace, settings)))


def render_page(params: Params, table: Table, sources: PageSources) -> str:
    """The page as text; see `write_page`."""
    return render("page.html.j2", **_context(params, table, sources))


def _context(params: Params, table: Table, sources: PageSources) -> dict[str, Any]:
    published = published_params(sources.profiles)
    deviations = {source.row: row_deviations(source, params, published) for source in sources.rows}
    patches, more = choose_examples(table.sections, sources)
    domain_map = read_domains(sources.index)
    left_out = ", ".join(domain_map.left_out)
    note = f"Not on the map, because their files have no reference system: {left_out}." if left_out else ""
    return {
        "profile": params.profile,
        "comparable": params.profile in COMPARABLE_PROFILES,
        "source": _source_text(sources),
        "archives": f"{len(sources.manifest.archives)} archives, {sources.manifest.size / 1e6:,.0f} MB",
        "num_rows": len(sources.rows),
        "ids": {source.row: row_id(source.row) for source in sources.rows},
        "sections": [_section(section, table, sources, domain_map) for section in table.sections],
        "caption": table.caption,
        "domains_note": note,
        "examples": example_views(patches, table.sections, sources, params.preprocessing.filter_sentinel2),
        "examples_left_out": more,
        "error_colours": {"right": RIGHT, "wrong": WRONG, "not scored": UNSCORED},
        "deviations": by_deviation(deviations),
        "rows": [row_view(source, deviations[source.row]) for source in sources.rows],
    }


def _source_text(sources: PageSources) -> str:
    """What the manifest says of its source, without what only machines read."""
    source = sources.manifest.source
    words = {"sample": "embedded sample, drawn by a seeded generator", "local": "archives of a local folder"}
    known = words.get(str(source["kind"]), str(source["kind"]))
    rest = [f"{key} {str(source[key])[:12]}" for key in ("repo", "revision", "key", "sha256") if source.get(key)]
    return ", ".join([known, *rest])


def _section(section: Section, table: Table, sources: PageSources, domain_map: DomainMap) -> dict[str, Any]:
    by_row = {source.row: source for source in sources.rows}
    order = {line.result.row: place for place, line in reversed(list(enumerate(table.lines)))}
    rows = [line.result.row for line in section.lines]
    name = anchor(section.task, section.level)
    # the first of equals
    best = max(section.lines, key=lambda line: -1.0 if line.task.miou is None else line.task.miou)
    interval, letters = best.interval("miou"), set(best.groups["miou"])
    return {
        **section_view(section, order),
        "anchor": name,
        "best": {
            "row": best.result.row,
            "miou": decimals(best.task.miou, 2) or "-",
            "interval": interval_text(interval),
            "oa": decimals(best.task.oa, 2) or "-",
            "equals": [
                line.result.row for line in section.lines if line is not best and letters & set(line.groups["miou"])
            ],
        },
        "spread": {line.result.row: spread_view(line, by_row[line.result.row]) for line in section.lines},
        "seeds": {line.result.row: " ".join(str(seed) for seed in line.result.seeds) for line in section.lines},
        "inputs": inputs_view(section, by_row),
        "confusions": [confusion_view(row, section.task, by_row[row].details.tasks[section.task]) for row in rows],
        "domains": domains_view(section, by_row),
        "map": _map(section, sources, domain_map, best.result.row),
        "curves": _curves(section, sources),
        "less_input": less_input_view(section, by_row),
    }


def _map(section: Section, sources: PageSources, domain_map: DomainMap, best: str) -> dict[str, Any] | None:
    if not domain_map.domains:
        return None
    values = {line.result.row: domain_values(sources.row(line.result.row), section.task) for line in section.lines}
    scale = scale_of([value for each in values.values() for value in each.values() if value is not None])
    name = anchor(section.task, section.level)
    colours = {
        row: {
            domain: ["-" if value is None else f"{value:.1f}", "" if value is None else scale.colour(value)]
            for domain, value in sorted(each.items())
        }
        for row, each in values.items()
    }
    label = f"Map of the domains of {section.title}, mIoU of {best}; the numbers are in the table below"
    return {
        "svg": drawn(draw_map(domain_map, values[best], scale, label=label, prefix=f"map-{name}")),
        "colours": colours,
        "low": f"{scale.low:g}",
        "high": f"{scale.high:g}",
        "ramp": ", ".join(scale.colours),
    }


def _curves(section: Section, sources: PageSources) -> list[dict[str, Any]]:
    rows = [sources.row(line.result.row) for line in section.lines]
    top = top_miou([history for row in rows for history in row.histories.values()], section.task)
    curves = []
    for place, row in enumerate(rows):
        histories, prefix = list(row.histories.values()), f"curve-{anchor(section.task, section.level)}-{place}"
        svg = drawn(draw_curves(row.row, histories, section.task, top, prefix=prefix)) if histories else None
        curves.append({"row": row.row, "seeds": list(row.histories), "svg": svg})
    return curves
