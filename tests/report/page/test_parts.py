from __future__ import annotations

import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.page_repository import HISTORY
from tests.report.test_robustness import figures as less_input_figures
from tests.world import ROOT, epoch, sample_params

from flairhub.config.resolve import row_recipe
from flairhub.errors import MissingFileError
from flairhub.lineage.fingerprint import code_fingerprint
from flairhub.pictures.curves import draw_curves, top_miou
from flairhub.pictures.domain_map import draw_map, read_domains, scale_of
from flairhub.pictures.svg import INK, MARK, inline_svg, themed_figure
from flairhub.records.details import TaskMetrics
from flairhub.records.history import History
from flairhub.records.robustness import Change, LessInput, Robustness
from flairhub.report.page.deviations import BY_ROW, Deviation, by_deviation, published_params, row_deviations
from flairhub.report.page.tables import less_input_view, spread_view
from flairhub.report.results import Spread


def write_part(index, archive, patches, corners, crs, side=100.0):
    left, bottom = np.array(corners, dtype=float).T
    path = index / "patches" / f"{archive}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"patch_id": patches, "crs": pd.Series([crs] * len(patches), dtype="str")}
    columns |= {"left": left, "bottom": bottom, "right": left + side, "top": bottom + side}
    pd.DataFrame(columns).to_parquet(path)


def test_a_domain_is_the_hull_of_its_patches_and_the_boxes_of_its_regions(tmp_path):
    patches = ["D001-2020_AA-S1-1_1-1", "D001-2020_AA-S1-1_1-2", "D001-2020_AA-S1-2_1-1"]
    for label in ("AERIAL_LABEL-COSIA", "ALL_LABEL-LPIS"):
        write_part(tmp_path, f"D001-2020_{label}", patches, [(0, 0), (100, 0), (1000, 2000)], "EPSG:2154")
    found = read_domains(tmp_path)
    (domain,) = found.domains
    assert (found.crs, domain.name, domain.num_patches, found.left_out) == ("EPSG:2154", "D001-2020", 3, ())
    boxes = [sorted(map(tuple, region)) for region in domain.regions]
    assert boxes == [
        [(0, 0), (0, 100), (200, 0), (200, 100)],
        [(1000, 2000), (1000, 2100), (1100, 2000), (1100, 2100)],
    ]
    wanted = {(0, 0), (200, 0), (1100, 2000), (1100, 2100), (1000, 2100), (0, 100)}
    assert {tuple(point) for point in domain.hull} == wanted


def test_other_reference_systems_come_to_the_common_one(tmp_path):
    from rasterio.warp import transform

    write_part(tmp_path, "D001-2020_AERIAL_LABEL-COSIA", [f"D001-2020_AA-S1-{k}_1-1" for k in (1, 2)],
               [(700_000, 6_600_000), (701_000, 6_600_000)], "EPSG:2154")  # fmt: skip
    write_part(
        tmp_path, "D002-2020_AERIAL_LABEL-COSIA", ["D002-2020_AA-S1-1_1-1"], [(450_000, 5_100_000)], "EPSG:32631"
    )
    write_part(tmp_path, "D003-2020_AERIAL_LABEL-COSIA", ["D003-2020_AA-S1-1_1-1"], [(0, 0)], None)
    found = read_domains(tmp_path)
    assert [domain.name for domain in found.domains] == ["D001-2020", "D002-2020"]
    assert (found.crs, found.left_out) == ("EPSG:2154", ("D003-2020",))
    x, y = transform("EPSG:32631", "EPSG:2154", [450_000], [5_100_000])
    np.testing.assert_allclose(found.domains[1].regions[0][0], (x[0], y[0]))


def test_without_any_reference_system_places_are_taken_as_they_are(tmp_path):
    write_part(tmp_path, "D001-2020_AERIAL_LABEL-COSIA", ["D001-2020_AA-S1-1_1-1"], [(5, 7)], None)
    found = read_domains(tmp_path)
    assert (found.crs, [domain.name for domain in found.domains]) == (None, ["D001-2020"])
    with pytest.raises(MissingFileError, match="run the index stage"):
        read_domains(tmp_path / "nothing")


def test_a_scale_has_round_ends_and_its_colours_are_viridis():
    scale = scale_of([12.0, 33.3])
    assert (scale.low, scale.high) == (10.0, 35.0)
    assert (scale.colours[0], scale.colours[-1]) == ("#440154", "#fde725")
    assert scale.colour(9) == scale.colour(10.1) == "#440154"
    assert scale.colour(35) == scale.colour(40) == "#fde725"
    assert (scale_of([]).low, scale_of([]).high) == (0.0, 5.0)
    assert (scale_of([20.0]).low, scale_of([20.0]).high) == (20.0, 25.0)


def test_the_map_marks_each_domain_and_writes_the_value(tmp_path):
    for place, name in enumerate(("D001-2020", "D002-2020")):
        write_part(tmp_path, f"{name}_AERIAL_LABEL-COSIA", [f"{name}_AA-S1-1_1-1"], [(50_000 * place, 0)], "EPSG:2154")
    scale = scale_of([10.0, 20.0])
    root = ET.fromstring(draw_map(read_domains(tmp_path), {"D002-2020": 12.34}, scale, label="a <map>", prefix="m"))
    marks = {each.attrib["data-mark"]: each for each in root.iter() if "data-mark" in each.attrib}
    assert set(marks) == {"D001-2020", "D002-2020", "value-D002-2020"}
    assert marks["value-D002-2020"].find("text").text == "12.3"
    assert scale.colour(12.34) in marks["D002-2020"].find("path").attrib["style"]
    assert "fill: none" in marks["D001-2020"].find("path").attrib["style"]
    assert marks["D001-2020"].find("title").text == "D001-2020, 1 labelled patches"
    assert root.attrib["aria-label"] == "a <map>"


def test_drawings_keep_no_id_but_those_they_refer_to_and_take_the_theme():
    def draw(prefix):
        with themed_figure(2, 1) as figure:
            axes = figure.add_axes((0.2, 0.2, 0.7, 0.7))
            axes.plot([0, 1], [0, 1 / 3], color=INK, gid=f"{MARK}line")
            return inline_svg(figure, label="x", prefix=prefix)

    text = draw("a")
    assert text == draw("a")
    root = ET.fromstring(text)
    ids = [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
    assert ids
    assert len(set(ids)) == len(ids)
    assert all(each.startswith("a-") for each in ids)
    assert not set(ids) & {each.attrib.get("id") for each in ET.fromstring(draw("b")).iter()}
    assert "var(--ink)" in text
    assert INK not in text
    assert not [each for each in root.iter() if each.tag in {"style", "metadata"}]
    assert "http" not in text
    assert "data-mark" in text


def test_the_axis_of_all_curves_is_above_every_figure():
    assert top_miou([HISTORY], "T") == 40.0
    assert top_miou([], "T") == 10.0


@pytest.mark.parametrize(
    ("history", "named"), [(HISTORY, {"31.2"}), (History(epochs=(epoch(0, 4, 0.1, None, miou=None),)), set())]
)
def test_a_curve_names_its_last_value_if_any_is_defined(history, named):
    root = ET.fromstring(draw_curves("x", [history], "T", 40.0, prefix="c"))
    assert {"training loss", "mIoU on valid, %"} | named <= {each.text for each in root.iter("text")}


def made_row(params, row, **changes):
    recipe = row_recipe(params, row).model_dump(mode="json") | changes
    receipt = SimpleNamespace(
        recipe=recipe, tasks=recipe["tasks"], modalities=recipe["modalities"], parameters=89_417_000
    )
    return SimpleNamespace(row=row, receipt=receipt, details=SimpleNamespace(n_scored=50_700))


@pytest.fixture(scope="module")
def published():
    return published_params(ROOT / "profiles")


def test_the_published_recipe_deviates_in_nothing(published):
    assert row_deviations(made_row(published, "LC-A"), published, published) == ()


def test_deviations_of_a_row_are_its_own_parameters(published):
    rows = {"LC-A": {"tasks": ["AERIAL_LABEL-COSIA"], "modalities": ["AERIAL_RGBI"], "train": {"epochs": 3}}}
    mine = sample_params("full", rows=rows, split=published.split.model_dump() | {"seed": 1})
    changed = made_row(mine, "LC-A", loss={"aux_loss_weight": {"AERIAL_RGBI": 0.0}})
    assert row_deviations(changed, mine, published) == (
        Deviation(what="split.seed", here="1", published="2025", status=""),
        Deviation(what="train.epochs", here="3", published="150", status="confirmed"),
    )


def test_rows_that_only_borrow_a_name_are_told_from_published_ones(published):
    spot = {"tasks": ["AERIAL_LABEL-COSIA"], "modalities": ["SPOT_RGBI"]}
    mine = sample_params("full", rows={"LC-A": spot, "MINE": spot})
    (inputs,) = row_deviations(made_row(mine, "LC-A"), mine, published)
    assert (inputs.what, inputs.here, inputs.published) == ("inputs", "S", "A")
    (name,) = row_deviations(made_row(mine, "MINE"), mine, published)
    assert (name.what, name.here, name.published) == ("row", "MINE", "no published row of this name")


def test_what_rows_share_is_said_once():
    one, two, other = (
        Deviation(what=what, here=here, published="0") for what, here in (("a", "1"), ("b", "1"), ("b", "2"))
    )
    found = by_deviation({"X": [one], "Y": [two, one], "Z": [other, one]})
    assert [(each.deviation.what, each.deviation.here, each.rows) for each in found] == [
        ("a", "1", ("X", "Y", "Z")),
        ("b", BY_ROW, ("Y", "Z")),
    ]


def test_the_spread_over_seeds_is_that_of_the_table():
    details = SimpleNamespace(seeds={n: {"T": TaskMetrics(oa=None, miou=28.0 + 2 * n)} for n in (1, 2)})
    task = SimpleNamespace(task="T", spread={"miou": Spread(mean=31.0, std=1.41421, n=2)})
    shown = spread_view(SimpleNamespace(task=task), SimpleNamespace(details=details))
    assert (shown["mean"], shown["std"]) == ("31.00", "1.41")
    assert shown["title"] == "mIoU over 2 seeds; 1: 30.00, 2: 32.00"
    one = SimpleNamespace(task="T", spread={})
    assert spread_view(SimpleNamespace(task=one), SimpleNamespace(details={})) is None


def test_tests_with_less_input_show_what_is_lost(tmp_path):
    def row(name, *variants):
        tests = tuple(LessInput(name=test, mask=(), dates=None, tasks={"T": each}) for test, each in variants)
        path = tmp_path / name / "robustness.json"
        Robustness(row=name, not_applicable=(), variants=tests).write(path)
        return name, SimpleNamespace(files=SimpleNamespace(robustness=path))

    def figures(miou, estimate, low=None, high=None):
        return less_input_figures(None, miou, *[Change(estimate=estimate, low=low, high=high)] * 2)

    sources = dict([row("A", ("x", figures(20.0, -10.0, -12.0, -8.5)), ("y", figures(31.0, 1.0))),
                    row("B", ("x", figures(25.0, -5.0))), row("C")])  # fmt: skip
    lines = [SimpleNamespace(result=SimpleNamespace(row=name)) for name in sources]
    view = less_input_view(SimpleNamespace(task="T", lines=lines), sources)
    assert view["tests"] == ["x", "y"]
    cells = {line["row"]: [(cell["text"], cell["share"]) for cell in line["cells"]] for line in view["lines"]}
    assert cells == {"A": [("-10.0", "65"), ("+1.0", "0")], "B": [("-5.0", "32"), ("", "")], "C": [("", ""), ("", "")]}
    assert view["lines"][0]["cells"][0]["title"] == "mIoU 20.00, interval of the change -12.00 to -8.50"
    assert less_input_view(SimpleNamespace(task="T", lines=lines[2:]), sources) is None


def test_the_templates_are_part_of_the_code_of_the_stage():
    parts = code_fingerprint("page", ["flairhub.report.page.build"], ROOT / "src").parts
    folder = ROOT / "src/flairhub/report/page/templates"
    names = {f"flairhub/report/page/templates/{path.name}" for path in folder.iterdir()}
    assert len(names) == 6
    assert names <= set(parts)
