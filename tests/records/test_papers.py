"""Every JSON paper: what is written is read again, and nothing but what its class allows is either."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from tests.drawn_rows import make_recipe, make_row
from tests.world import HISTORY, epoch, evaluated_row

from flairhub.catalog.taxonomies import COSIA, LPIS
from flairhub.errors import DataError, MissingFileError
from flairhub.records.code import Fingerprint
from flairhub.records.costs import Energy, RowCosts, StageCosts, read_costs
from flairhub.records.details import Details, TaskMetrics
from flairhub.records.examples import Examples
from flairhub.records.history import History, StepLosses
from flairhub.records.index_summary import ArchiveSummary, IndexSummary
from flairhub.records.inputs import write_inputs
from flairhub.records.inputs_file import InputsFile
from flairhub.records.map_receipt import MapGrid, MapInput, MapReceipt, MapWeights
from flairhub.records.metrics import RowMetrics, TrainingMetrics, ValidMetrics, split_metrics
from flairhub.records.paper import Paper
from flairhub.records.probe import Probe
from flairhub.records.receipt import Receipt
from flairhub.records.resolution import InputsSummary, Resolution
from flairhub.records.robustness import Change, ClassIou, LessInput, LessInputMetrics, Robustness
from flairhub.records.seeds import Seeds

UNDEFINED = TaskMetrics(oa=None, miou=None)
CHANGE = Change(estimate=None, low=None, high=None)
TEST = LessInputMetrics(
    oa=None, miou=None, per_class=ClassIou(iou=(None, 1.5)), confusion=((1, 2), (3, 4)), change={"oa": CHANGE}
)
STAGE = StageCosts(
    start_ms=1,
    end_ms=2,
    seconds=0.001,
    peak_memory_mb=1,
    peak_memory_children_mb=1,
    energy=Energy(cpu_joules=None, cpu_reason="none", gpu_joules=1.5, gpu_reason=None),
)
COSTS = RowCosts(evaluate=STAGE, start_ms=1, end_ms=2, host="h", git_commit=None, git_dirty=None)
RESOLUTION = Resolution(
    used={"train": 3, "valid": 2, "test": 1},
    left_out={"train": 0, "valid": 0, "test": 1},
    pixels={"train": {COSIA: (9, 0)}},
    unscored={"train": {COSIA: 1}},
)
ARCHIVE = ArchiveSummary(patches=2, errors=1, ignored=1, ignored_examples=("thumbs.db",))

PAPERS: list[Paper] = [
    Fingerprint(stage="train", sha256="a", parts={"b": "c"}),
    COSTS,
    Examples(seed=1, patches=("a",)),
    RowMetrics(test=split_metrics({COSIA: UNDEFINED})),
    RowMetrics(test=split_metrics({COSIA: TaskMetrics(oa=1.0, miou=2.0), LPIS: UNDEFINED})),
    TrainingMetrics(epoch=None, valid=split_metrics({COSIA: UNDEFINED})),
    TrainingMetrics(epoch=3, valid=split_metrics({COSIA: UNDEFINED, LPIS: UNDEFINED})),
    ValidMetrics(epoch=None, valid={COSIA: UNDEFINED}),
    Robustness(row="X", not_applicable=("x",), variants=(LessInput(name="n", mask=(), dates=2, tasks={COSIA: TEST}),)),
    Seeds(first=1, further=(2, 3)),
    RESOLUTION,
    InputsSummary(rows={"X": RESOLUTION}),
    ARCHIVE,
    IndexSummary(archives={"D012-2019_AERIAL_RGBI": ARCHIVE}),
    MapReceipt(
        row="X",
        row_key="k",
        weights=MapWeights(file="model.safetensors", sha256="0" * 64),
        map_key="m",
        grid=MapGrid(crs=None, transform=(0.2, 0.0, 7e5, 0.0, -0.2, 6.6e6), height=3, width=4),
        tile=64,
        margin=16,
        blend="crop",
        views=((1, True, 1.5),),
        preprocessing={"filter_sentinel2": {"enabled": True}},
        inputs={"AERIAL_RGBI": (MapInput(file="a.tif", bands=("R",), nodata="nan"),)},
        dates={"SENTINEL2_TS": ("20210515",)},
    ),
]


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> list[Paper]:
    files = evaluated_row(tmp_path_factory.mktemp("row"), recipe={"seeds": [1, 2]})
    row = make_row(tmp_path_factory.mktemp("archives"), make_recipe("LC-A"))
    write_inputs(files.inputs, row.inputs)
    written: list[tuple[type[Paper], Path]] = [
        (Details, files.details), (Receipt, files.receipt), (InputsFile, files.inputs)
    ]  # fmt: skip
    probe = Probe(patches=("D012-2019_AF-S1-27_5-10",), sha256={"T": "0" * 64}, sample={"T": (0.5, -1.25)})
    return [*PAPERS, probe, *(kind.read(path) for kind, path in written)]


def test_every_class_is_tested(papers: list[Paper]) -> None:
    # by name: a dataclass with slots is made twice
    assert {type(paper).__name__ for paper in papers} == {kind.__name__ for kind in Paper.__subclasses__()}


def test_what_is_written_is_read_again_and_has_the_same_bytes(papers: list[Paper], tmp_path: Path) -> None:
    for paper in papers:
        paper.write(tmp_path / "one.json")
        again = type(paper).read(tmp_path / "one.json")
        again.write(tmp_path / "two.json")
        assert again == paper
        assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
        assert json.loads((tmp_path / "one.json").read_text()).get("format") == paper.FORMAT


def changed(value: Any, number: float) -> Any:
    """The first float or undefined figure of plain data replaced; None where there is none."""
    if isinstance(value, dict):
        for key, inner in value.items():
            other = changed(inner, number) if key not in {"cpu_reason", "git_commit", "git_dirty", "dates"} else None
            if other is not None:
                return {**value, key: other}
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            other = changed(inner, number)
            if other is not None:
                return [*value[:place], other, *value[place + 1 :]]
    elif isinstance(value, float):
        return number
    return None


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_neither_written_nor_read(papers: list[Paper], tmp_path: Path, number: float) -> None:
    path = tmp_path / "x.json"
    tried = 0
    for paper in papers:
        paper.write(path)
        other = changed(json.loads(path.read_text()), number)
        if other is not None:
            tried += 1
            path.write_text(json.dumps(other))
            with pytest.raises(DataError, match=r"x\.json: expected JSON without NaN"):
                type(paper).read(path)
    assert tried > 4
    path.unlink()
    with pytest.raises(ValueError, match="not JSON compliant"):
        ValidMetrics(epoch=1, valid={COSIA: TaskMetrics(oa=number, miou=1.0)}).write(path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        dataclasses.replace(COSTS, evaluate=dataclasses.replace(STAGE, seconds=number)).write(path)
    assert not path.exists()


def test_anything_else_is_refused_by_name(papers: list[Paper], tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for paper in papers:
        kind = type(paper)
        with pytest.raises(MissingFileError, match=rf"x\.json.*{kind.MADE_BY}"):
            kind.read(path)
        paper.write(path)
        good = json.loads(path.read_text())
        for other in (good | {"new": 1}, {"format": kind.FORMAT} if kind.FORMAT else {}, good | {"format": 77}, [good]):
            path.write_text(json.dumps(other))
            with pytest.raises(DataError, match=r"x\.json: expected"):
                kind.read(path)
        for text in ("", "{", "[" * 100_000, "\x00"):
            path.write_text(text)
            with pytest.raises(DataError, match=r"x\.json: expected JSON"):
                kind.read(path)
        path.unlink()


def test_lengths_of_details_must_agree(papers: list[Paper]) -> None:
    (details,) = [paper for paper in papers if isinstance(paper, Details)]
    task = details.tasks[COSIA]
    with pytest.raises(DataError, match=r"figures of 2 scored classes"):
        dataclasses.replace(task, scored=(0, 1))
    with pytest.raises(DataError, match=r"scored classes of 0\.\.18"):
        dataclasses.replace(task, scored=(*task.scored[:-1], 19))
    with pytest.raises(DataError, match="confusion of 19 x 19"):
        dataclasses.replace(task, confusion=task.confusion[1:])


def test_costs_that_cannot_be_read_are_unknown(tmp_path: Path) -> None:
    assert read_costs(tmp_path / "x.json") is None
    (tmp_path / "x.json").write_text("{")
    assert read_costs(tmp_path / "x.json") is None


def test_history_and_steps_have_undefined_figures_as_empty_cells(tmp_path: Path) -> None:
    HISTORY.write(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text().splitlines()[-2:] == ["1,20,0.0005,1.25,31.5", "2,30,0.0001,,33"]
    again = History.read(tmp_path / "history.csv")
    assert [each.miou("T") for each in again.epochs] == [None, 31.5, 33.0]
    again.write(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "history.csv").read_bytes()
    several = History(epochs=(epoch(0, 1, 0.1, 1.0, **{"A.miou": 10.0, "B.miou": math.nan}),))
    several.write(tmp_path / "history.csv")
    (read,) = History.read(tmp_path / "history.csv").epochs
    assert (read.miou("A"), read.miou("B"), read.miou("C")) == (10.0, None, None)
    steps = StepLosses(points=((1, 0.5), (2, 3.0)))
    steps.write(tmp_path / "steps.csv")
    assert StepLosses.read(tmp_path / "steps.csv") == steps
    (tmp_path / "steps.csv").write_text("step,train.loss\n1,x\n")
    with pytest.raises(DataError, match=r"steps\.csv: expected a number in the column `train.loss`, but got 'x'"):
        StepLosses.read(tmp_path / "steps.csv")
