from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.page_repository import PATCHES, PageRepository
from tests.world import sample_params

from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.report.page.build import write_page
from flairhub.report.text import render_csv

VOID = {"meta", "link", "img", "br", "input"}


class Element(ET.Element):
    """An element that finds what is in it."""

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Elements of a tag anywhere in it."""
        return [each for each in self.iter(tag) if each is not self and attributes.items() <= each.attrib.items()]

    def words(self) -> str:
        """Its text and that of its children."""
        return " ".join(" ".join(self.itertext()).split())


class Reader(HTMLParser):
    """Builds the tree and refuses tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._builder = ET.TreeBuilder(element_factory=Element)
        self._open: list[str] = []
        self.feed(text)
        assert not self._open, f"not closed: {self._open[-1]}"
        self.root = self._builder.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        self._builder.start(tag, {name: value or "" for name, value in attrs})
        self._open.append(tag)
        if tag in VOID:
            self.handle_endtag(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self._builder.end(tag)

    def handle_data(self, data: str) -> None:
        self._builder.data(data)


def read(text: str) -> Element:
    return Reader(text).root


Make = Callable[..., PageRepository]


def _rows(*names: str) -> dict[str, Any]:
    known = [PUBLISHED_ROWS[name] for name in names]
    return {row.row: {"tasks": [row.task], "modalities": list(row.modalities)} for row in known}


@pytest.fixture(scope="module")
def sample(make_page: Make) -> PageRepository:
    return make_page()


@pytest.fixture(scope="module")
def text(sample: PageRepository) -> str:
    return sample.page()


@pytest.fixture(scope="module")
def page(text: str) -> Element:
    return read(text)


def _lines(repository: PageRepository) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_csv(repository.table))))


def _body(table: Element) -> list[Element]:
    return table.all("tbody")[0].all("tr")


def test_every_row_stands_in_the_table_with_the_figures_of_the_csv(page: Element, sample: PageRepository) -> None:
    shown = {}
    for name in ("table-cosia", "table-lpis-1"):
        (table,) = page.all("table", id=name)
        heads = [head.words() for head in table.all("thead")[0].all("th")]
        for line in _body(table):
            cells = line.all("th") + line.all("td")
            assert len(cells) == len(heads)
            shown[cells[0].words()] = dict(
                zip(("Row", "Inputs", "mIoU", "mi", "mg", "OA", "oi", "og"), cells, strict=False)
            )
            shown[cells[0].words()]["n"] = cells[heads.index("Test patches")]
    lines = _lines(sample)
    assert [line["row"] for line in lines] == list(PUBLISHED_ROWS)
    assert list(shown) == list(PUBLISHED_ROWS)
    for line in lines:
        cells = shown[line["row"]]
        for metric, interval, group in (("mIoU", "mi", "mg"), ("OA", "oi", "og")):
            key = metric.lower()
            assert f"{float(cells[metric].attrib['data-v']):.4f}" == line[key]
            assert cells[metric].words() == f"{float(cells[metric].attrib['data-v']):.2f}"
            assert cells[interval].words().endswith(f"{float(line[f'{key}_low']):.1f}-{float(line[f'{key}_high']):.1f}")
            assert cells[group].words() == line[f"{key}_group"]
        assert cells["n"].words() == line["n_test"]
    assert any(line["miou_group"] for line in lines)


def test_every_column_can_be_sorted_by_keyboard(page: Element) -> None:
    tables = page.all("table", **{"class": "sortable main"}) + page.all("table", **{"class": "sortable heat tall"})
    assert len(tables) == 4
    for table in page.all("table"):
        heads = table.all("thead")[0].all("th")
        assert all(head.attrib["scope"] == "col" for head in heads)
        assert all(line.all("th")[0].attrib["scope"] == "row" for line in _body(table))
        if "sortable" not in table.attrib["class"]:
            continue
        assert all(head.all("button")[0].attrib["type"] == "button" for head in heads)
        for line in _body(table):
            for head, cell in zip(heads, line.all("th") + line.all("td"), strict=True):
                value = cell.attrib["data-v"]
                if head.attrib["data-sort"] == "number":
                    assert re.match(r"-?\d", value), (head.words(), value)


def test_nothing_is_loaded_and_nothing_runs_but_our_own(text: str, page: Element) -> None:
    for tag in ("script", "img", "link", "iframe", "object", "image", "use"):
        for element in page.all(tag):
            for name in ("src", "href", "data", "srcset"):
                address = element.attrib.get(name)
                assert address is None or address.startswith(("data:", "#")), (tag, address)
    for link in page.all("a"):
        assert not re.match(r"[a-z]+:|//", link.attrib["href"])
    assert not page.all("script", src="") or all("src" not in each.attrib for each in page.all("script"))
    assert not re.search(r"@import|url\((?!#)|https?://|\bon[a-z]+=\"", text)
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy.attrib["content"].startswith("default-src 'none'; img-src data:")


def test_ids_are_unique_and_links_have_their_targets(page: Element, sample: PageRepository) -> None:
    elements = list(page.iter())
    ids = Counter(element.attrib["id"] for element in elements if "id" in element.attrib)
    assert set(ids.values()) == {1}
    for element in elements:
        for name in ("href", "clip-path", "for"):
            target = re.fullmatch(r"url\(#(.+)\)|#(.+)", element.attrib.get(name, ""))
            if target is not None:
                assert (target[1] or target[2]) in ids
    for image in page.all("img"):
        assert image.attrib["alt"]
    for drawing in page.all("svg"):
        assert drawing.attrib["role"] == "img"
        assert drawing.attrib["aria-label"]
    reports = sample.root / "reports"
    files = {link.attrib["href"] for link in page.all("a") if link.attrib["href"].startswith(("rows/", "../models"))}
    assert len(files) >= 24 * 3
    assert all((reports / address).exists() for address in files)


def test_the_same_inputs_give_the_same_bytes_anywhere(make_page: Make) -> None:
    one, other = (make_page(sample_params(rows=_rows("LC-B", "LPIS-J"))) for _ in range(2))
    assert other.root != one.root
    text = one.page()
    path = other.root / "reports" / "index.html"
    workspace = Workspace(root=other.root, main=other.root)
    write_page(other.params, other.table, path, root=other.root, workspace=workspace, settings=RuntimeSettings())
    assert path.read_text(encoding="utf-8") == text
    assert str(one.root) not in text


def test_the_matrix_of_inputs_is_that_of_the_rows(page: Element) -> None:
    tables = [table for table in page.all("table") if table.all("th", title="AERIAL-RLT_PAN")]
    found = {}
    for table in tables:
        names = [head.attrib.get("title") for head in table.all("thead")[0].all("th")]
        for line in _body(table):
            cells = line.all("th") + line.all("td")
            found[cells[0].words()] = {
                name for name, cell in zip(names, cells, strict=True) if name and cell.words() and name.isupper()
            }
    assert found == {row: set(known.modalities) for row, known in PUBLISHED_ROWS.items()}


def test_confusion_is_that_of_the_row_by_line_of_truth(page: Element, confusions: dict[str, Any]) -> None:
    for row in ("LC-B", "LPIS-J"):
        counts = next(iter(confusions[row].values())).dense()
        panels = [each for each in page.all("div", **{"data-row": row}) if "data-panel" in each.attrib]
        (panel,) = panels
        lines = _body(panel.all("table")[0])
        assert len(lines) == int(((counts.sum(axis=0) + counts.sum(axis=1)) > 0).sum()) == len(counts)
        for k, line in enumerate(lines):
            cells = line.all("td")
            assert cells[-1].words() == str(counts[k].sum())
            for other, cell in enumerate(cells[:-1]):
                percent = 100 * counts[k, other] / counts[k].sum()
                assert cell.words() == ("" if percent == 0 else "<1" if percent < 0.5 else f"{percent:.0f}")
                assert cell.attrib.get("title", "").endswith("" if percent == 0 else f", {counts[k, other]} px")
    chosen = [option.words() for option in page.all("option") if "selected" in option.attrib]
    assert len(chosen) == 4


def test_classes_and_domains_are_those_of_the_details(page: Element, sample: PageRepository) -> None:
    details = sample.sources().row("LC-C").details.tasks["AERIAL_LABEL-COSIA"]
    heat, domains = (
        [line for table in page.all("table") for line in _body(table) if line.all("a", href="#row-LC-C")][place]
        for place in (2, 3)
    )
    shown = [cell.attrib["data-v"] for cell in heat.all("td")]
    assert shown == [f"{value:.6f}" for value in details.protocols["absent_left_out"].per_class.iou]
    wanted = [details.by_domain[name].miou for name in sorted(details.by_domain)]
    assert [cell.words() for cell in domains.all("td")] == [f"{value:.1f}" for value in wanted]


def test_deviations_are_computed_and_named(page: Element) -> None:
    (section,) = page.all("section", id="deviations")
    lines = {
        line.all("th")[0].words(): [cell.words() for cell in line.all("td")] for line in _body(section.all("table")[0])
    }
    assert lines["data.source"] == ["sample", "huggingface", "-", "all"]
    assert lines["train.epochs"][1:] == ["150", "confirmed", "all"]
    assert lines["normalisation.DEM_ELEV.statistics"] == ["computed", "reference", "unknown", "5 of 24"]
    assert lines["test patches"][:2] == ["30", "50700"]


def test_published_figures_stand_only_beside_comparable_ones(make_page: Make, text: str) -> None:
    assert "Published mIoU" not in text
    full = make_page(sample_params("full", rows=_rows("LC-A", "LC-B")), n_test=50_700)
    page = read(full.page())
    (table,) = page.all("table", id="table-cosia")
    heads = [head.words() for head in table.all("thead")[0].all("th")]
    cells = _body(table)[0].all("th") + _body(table)[0].all("td")
    (line,) = [line for line in _lines(full) if line["row"] == "LC-A"]
    assert cells[heads.index("Published mIoU")].words() == f"64.1 {line['published_miou_is']}"
    assert "not comparable" not in page.all("header")[0].words()
    (row,) = page.all("details", id="row-LC-B")
    assert "normalisation.DEM_ELEV" in row.words()
    assert "height or DTM as second channel" in row.words()
    assert "test patches" in row.words()  # 30 in its details: not the published ones


def test_text_is_escaped(make_page: Make) -> None:
    rows = {"X": {"tasks": ["AERIAL_LABEL-COSIA"], "modalities": ["AERIAL_RGBI"]}}
    note = "<img src=x onerror=alert(1)>"
    provenance = {"train.epochs": {"source": "a", "status": "unknown", "note": note}}
    repository = make_page(sample_params(rows=rows, provenance=provenance))
    text = repository.page()
    page = read(text)
    assert note not in text
    (row,) = page.all("details", id="row-X")
    assert note in row.words()


def test_example_patches_are_there_and_the_first_is_open(page: Element) -> None:
    (section,) = page.all("section", id="examples")
    patches = section.all("details")
    assert [patch.all("summary")[0].words().split()[0] for patch in patches] == sorted(PATCHES)
    assert ["open" in patch.attrib for patch in patches] == [True, False]
    for patch in patches:
        assert len(patch.all("figure", **{"class": "pair"})) == 24
        assert len(patch.all("div", **{"class": "strip"})[0].all("img")) == 3  # aerial twice, height


def test_a_row_of_two_tasks_without_training_stands_in_both(make_page: Make) -> None:
    tasks = ["AERIAL_LABEL-COSIA", "ALL_LABEL-LPIS"]
    repository = make_page(sample_params(rows={"BOTH": {"tasks": tasks, "modalities": ["AERIAL_RGBI"]}}))
    history = repository.root / "models" / "BOTH" / "history.csv"
    history.write_text(history.read_text().splitlines()[0] + "\n")
    page = read(repository.page())
    for name in ("cosia", "lpis-1"):
        (table,) = page.all("table", id=f"table-{name}")
        assert [line.all("th")[0].words() for line in _body(table)] == ["BOTH"]
    (training,) = page.all("section", id="training")
    assert [each.words() for each in training.all("p", **{"class": "note"})] == [
        "Not trained here: its weights were given."
    ] * 2
    assert len(page.all("details", id="row-BOTH")) == 1
    (examples,) = page.all("section", id="examples")
    assert len(examples.all("figure", **{"class": "pair"})) == 2 * len(PATCHES)


def test_without_examples_nothing_is_asked_of_the_archives(make_page: Make) -> None:
    repository = make_page(sample_params(rows=_rows("LC-A")))
    for path in repository.root.glob("reports/rows/*/examples/*/*.tif"):
        path.unlink()
    for path in Path(repository.root / "data" / "archives").rglob("*.zip"):
        path.unlink()
    assert "No row kept a prediction" in repository.page()
