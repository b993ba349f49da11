from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from tests.world import evaluated_row

from flairhub.catalog.taxonomies import COSIA, LPIS
from flairhub.config.training import EvaluateParams
from flairhub.errors import MissingFileError
from flairhub.records.layout import RowFiles, row_files
from flairhub.records.robustness import Change, ClassIou, LessInput, LessInputMetrics, Robustness
from flairhub.report.robustness import write_robustness


def figures(oa: float | None, miou: float | None, *changes: Change) -> LessInputMetrics:
    oa_change, miou_change = changes
    return LessInputMetrics(
        oa=oa,
        miou=miou,
        per_class=ClassIou(iou=()),
        confusion=(),
        change={"oa": oa_change, "miou": miou_change},
    )


def written(root: Path, row: str, variants: tuple[LessInput, ...] = ()) -> RowFiles:
    files = evaluated_row(root, row)
    Robustness(row=row, not_applicable=(), variants=variants).write(files.robustness)
    return files


def test_every_test_of_every_row_has_its_line(tmp_path: Path, benchmark_params: EvaluateParams) -> None:
    changes = Change(estimate=-7.26, low=-9.0, high=-5.96), Change(estimate=1.25, low=None, high=None)
    without = LessInput(
        name="without DEM_ELEV", mask=("DEM_ELEV",), dates=None, tasks={COSIA: figures(70.04, 50.06, *changes)}
    )
    undefined = Change(estimate=0.0, low=-1.0, high=1.0), Change(estimate=None, low=None, high=None)
    few = LessInput(name="at most 4 dates", mask=(), dates=4, tasks={LPIS: figures(60.0, None, *undefined)})
    rows = {
        "LC-B": written(tmp_path, "LC-B", (without,)),
        "LC-A": written(tmp_path, "LC-A"),
        "LPIS-F": written(tmp_path, "LPIS-F", (few,)),
    }
    write_robustness(tmp_path, rows, benchmark_params)
    lines = list(csv.DictReader(io.StringIO((tmp_path / "robustness.csv").read_text())))
    assert [(line["row"], line["task"], line["mask"], line["dates"]) for line in lines] == [
        ("LC-B", COSIA, "DEM_ELEV", ""),
        ("LPIS-F", LPIS, "", "4"),
    ]
    assert lines[0]["oa_change"] == "-7.2600"
    assert (lines[0]["oa_change_low"], lines[0]["miou_change_low"]) == ("-9.0000", "")
    assert (lines[1]["miou"], lines[1]["miou_change"]) == ("", "")
    text = (tmp_path / "robustness.md").read_text()
    assert "| LC-B | without DEM_ELEV | 70.0 | -7.3 | -9.0 to -6.0 | 50.1 | +1.2 | - |" in text
    assert "| LPIS-F | at most 4 dates | 60.0 | +0.0 | -1.0 to +1.0 | - | - | - |" in text
    assert text.index("Land cover (COSIA)") < text.index("Crops (LPIS level 1)")
    assert "95 % percentile interval of that difference over 2000 resamples" in text


def test_without_tests_the_tables_say_how_to_get_some(tmp_path: Path, benchmark_params: EvaluateParams) -> None:
    write_robustness(tmp_path, {"LC-A": written(tmp_path, "LC-A")}, benchmark_params)
    assert len((tmp_path / "robustness.csv").read_text().splitlines()) == 1
    assert "`evaluate.robustness` in params.yaml" in (tmp_path / "robustness.md").read_text()


def test_a_row_that_was_not_tested_is_named(tmp_path: Path, benchmark_params: EvaluateParams) -> None:
    with pytest.raises(MissingFileError, match=r"LC-A/details\.json.*dvc repro evaluate"):
        write_robustness(tmp_path, {"LC-A": row_files("LC-A", tmp_path)}, benchmark_params)
