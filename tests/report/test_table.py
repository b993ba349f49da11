from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.results import Confusions
from tests.world import EVALUATION, scored_task

from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.catalog.taxonomies import COSIA, LPIS
from flairhub.config.training import EvaluateParams
from flairhub.errors import DataError
from flairhub.evaluation.details import build_details
from flairhub.evaluation.metrics import score
from flairhub.records.details import Interval, Moments, SeedSpread
from flairhub.report.build import write_table
from flairhub.report.comparisons import compare_table
from flairhub.report.results import HASHES, RowResult, Spread, published_metrics, task_results
from flairhub.report.table import Table, build_table
from flairhub.report.text import TERMINAL_WIDTH, render_csv, render_markdown, render_terminal

ROWS = list(PUBLISHED_ROWS)
MakeResult = Callable[..., RowResult]


def _read(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_csv(table))))


def _terminal(folder: Path, table: Table) -> str:
    return render_terminal(write_table(folder, table)[0])


@pytest.fixture(scope="module")
def smoke_table(smoke_results: list[RowResult], confusions: Confusions, benchmark_params: EvaluateParams) -> Table:
    return build_table(smoke_results, compare_table(smoke_results, confusions, benchmark_params))


@pytest.fixture(scope="module")
def full_table(make_result: MakeResult) -> Table:
    return build_table([make_result(row, "full", 50_700) for row in ROWS[:3] + ROWS[-2:]])


def test_csv_begins_with_the_contract_and_holds_every_row_in_order(smoke_table: Table) -> None:
    assert render_csv(smoke_table).startswith("row,task,modalities,params_m,oa,miou,profile,")
    lines = _read(smoke_table)
    assert [line["row"] for line in lines] == ROWS
    assert set(HASHES) <= set(lines[0])
    assert lines[1]["modalities"] == "AERIAL_RGBI DEM_ELEV"
    assert (lines[1]["params_m"], lines[1]["n_test"], lines[1]["seeds"]) == ("181.417", "30", "2025")


def test_csv_figures_are_those_of_the_confusion_tables(smoke_table: Table, confusions: Confusions) -> None:
    for line in _read(smoke_table):
        table = confusions[line["row"]][line["task"]]
        expected = score(table.dense(), range(15) if line["task"] == COSIA else range(23))
        assert line["oa"] == f"{float(expected.oa):.4f}"
        assert line["miou"] == f"{float(expected.miou):.4f}"
        assert float(line["miou_low"]) < float(line["miou"]) < float(line["miou_high"])
        assert (line["clusters_roi"], line["clusters_domain"], line["miou_domain_low"]) == ("30", "3", "")
        assert line["miou_group"]


def test_a_row_without_a_result_is_named(smoke_results: list[RowResult]) -> None:
    empty = [dataclasses.replace(result, tasks=()) for result in smoke_results[:2]]
    with pytest.raises(DataError, match=r"every row of params\.yaml, but LC-A has none; evaluate it"):
        build_table([empty[0], *smoke_results[1:]])
    with pytest.raises(DataError, match="but LC-A, LC-B have none; evaluate them"):
        build_table([*empty, *smoke_results[2:]])


def test_order_is_that_of_the_results(smoke_results: list[RowResult]) -> None:
    table = build_table(smoke_results[::-1])
    assert [line["row"] for line in _read(table)] == ROWS[::-1]
    assert [section.title for section in table.sections] == ["Land cover (COSIA)", "Crops (LPIS level 1)"]


def test_two_tasks_make_two_lines(make_result: MakeResult) -> None:
    both = dataclasses.replace(make_result("LC-A"), tasks=make_result("LC-A").tasks + make_result("LPIS-A").tasks)
    table = build_table([both])
    assert [(line["row"], line["task"]) for line in _read(table)] == [("LC-A", COSIA), ("LC-A", LPIS)]
    assert [section.title for section in table.sections] == ["Land cover (COSIA)", "Crops (LPIS level 1)"]


@pytest.mark.parametrize("profile", ["smoke", "sample", "Full"])
def test_published_figures_never_stand_beside_others(tmp_path: Path, make_result: MakeResult, profile: str) -> None:
    """Not even where a caller hands them in."""
    honest = make_result("LC-A", "full", 50_700)
    result = dataclasses.replace(honest, profile=profile)
    assert result.published is not None
    table = build_table([result])
    line = _read(table)[0]
    assert [line[k] for k in line if k.startswith("published")] == [""] * 5
    assert f"Profile {profile}: these figures come from other data" in render_markdown(table)
    for text in (render_markdown(table), _terminal(tmp_path, table)):
        assert "64.1" not in text
        assert re.search(r"published (OA|mIoU)", text, re.IGNORECASE) is None


@pytest.mark.parametrize("profile", ["full", "released"])
def test_published_figures_stand_beside_comparable_ones(tmp_path: Path, make_result: MakeResult, profile: str) -> None:
    table = build_table([make_result("LC-A", profile, 50_700)])
    line = _read(table)[0]
    assert (line["published_oa"], line["published_miou"], line["published_params_m"]) == ("77.5", "64.1", "89.4")
    assert "64.1 outside" in render_markdown(table)
    assert "77.5/64.1" in _terminal(tmp_path, table)
    assert "not comparable with it" not in " ".join(table.caption)


@pytest.mark.parametrize(
    ("interval", "n_test", "verdict"),
    [
        (Interval(low=64.0, high=65.0), 50_700, "inside"),
        (Interval(low=64.14, high=65.0), 50_700, "inside"),  # 64.1 may have been 64.149
        (Interval(low=64.16, high=65.0), 50_700, "outside"),
        (Interval(low=60.0, high=64.0), 50_700, "outside"),
        (None, 50_700, "no interval"),
        (Interval(low=64.0, high=65.0), 50, "other test set"),
    ],
)
def test_verdict_on_the_published_figure(
    make_result: MakeResult, interval: Interval | None, n_test: int, verdict: str
) -> None:
    result = make_result("LC-A", "full", n_test)
    task = result.tasks[0]
    roi = dataclasses.replace(task.intervals["roi"], miou=interval)
    changed = dataclasses.replace(task, intervals={**task.intervals, "roi": roi})
    table = build_table([dataclasses.replace(result, tasks=(changed,))])
    assert _read(table)[0]["published_miou_is"] == verdict


def test_a_borrowed_name_has_no_published_figures(make_result: MakeResult) -> None:
    tasks = make_result("LC-A").tasks
    inputs = PUBLISHED_ROWS["LC-A"].modalities
    assert published_metrics("LC-A", tasks, inputs, "full") == {COSIA: PUBLISHED_ROWS["LC-A"]}
    assert published_metrics("LC-A", tasks, inputs, "smoke") is None
    assert published_metrics("LC-A", tasks, (*inputs, "SPOT_RGBI"), "full") is None
    assert published_metrics("MINE", tasks, inputs, "full") is None
    lpis = make_result("LPIS-A").tasks
    assert published_metrics("LC-A", lpis, inputs, "full") is None
    level2 = tuple(dataclasses.replace(task, level=2) for task in lpis)
    assert published_metrics("LPIS-A", level2, inputs, "full") is None


def test_caption_says_what_intervals_do_not_cover(smoke_table: Table) -> None:
    caption = " ".join(smoke_table.caption)
    assert "95 % percentile of 2000 bootstrap resamples of the test ROIs" in caption
    assert "do not cover the random seed of the training" in caption
    assert "(all rows), chosen here: train.global_batch_size, augmentation" in caption
    assert "share a letter are not told apart" in caption


def test_missing_intervals_are_explained(make_result: MakeResult, benchmark_params: EvaluateParams) -> None:
    few = benchmark_params.model_copy(update={"min_clusters": 31})
    table = build_table([make_result("LC-A", params=few), make_result("LC-B")])
    assert "No interval for LC-A: 30 roi clusters, fewer than evaluate.min_clusters 31." in table.caption
    assert "| LC-A | A | 89.4 |" in render_markdown(table)


def test_groups_hold_rows_that_were_compared_only(
    smoke_results: list[RowResult], confusions: Confusions, benchmark_params: EvaluateParams
) -> None:
    fewer = confusions["LC-C"][COSIA]
    other = dataclasses.replace(fewer, patches=("D099-2020_AU-S1-1_1-1", *fewer.patches[1:]))
    comparisons = compare_table(smoke_results, confusions | {"LC-C": {COSIA: other}}, benchmark_params)
    table = build_table(smoke_results, comparisons)
    letters = {line["row"]: line["miou_group"] for line in _read(table)}
    assert letters["LC-C"] == ""
    assert not set(letters["LC-L"]) & set(letters["LC-H"])
    assert "Not compared, because scored on other classes, patches or labels: LC-C." in table.caption
    assert len(comparisons[0].rows) == 12


def test_groups_need_equal_scored_classes(
    make_result: MakeResult, confusions: Confusions, benchmark_params: EvaluateParams
) -> None:
    results = [make_result(row) for row in ("LC-A", "LC-B", "LC-C")]
    task = results[1].tasks[0]
    results[1] = dataclasses.replace(results[1], tasks=(dataclasses.replace(task, scored=(*task.scored[:-1], 15)),))
    assert compare_table(results, confusions, benchmark_params)[0].left_out == ("LC-B",)


def test_markdown_has_one_pipe_table_per_task(smoke_table: Table) -> None:
    lines = [line for line in render_markdown(smoke_table).splitlines() if line.startswith("|")]
    assert len(lines) == len(ROWS) + 4
    assert len({line.count("|") for line in lines}) == 1
    assert sum(row in line for row in ("| LC-ALL |", "| LPIS-K |") for line in lines) == 2


@pytest.mark.parametrize(("profile", "n_test"), [("smoke", 30), ("full", 50_700), ("full", 240_000)])
def test_terminal_rendering_fits(tmp_path: Path, make_result: MakeResult, profile: str, n_test: int) -> None:
    results = [make_result(row, profile, n_test) for row in ROWS]
    long = dataclasses.replace(
        results[0], row="a-row-with-quite-a-long-name-of-its-own", modalities=("SENTINEL1-ASC_TS", "SENTINEL2_TS")
    )
    table = build_table([*results, long])
    widest = tuple(dataclasses.replace(line, groups={"oa": "a", "miou": "abcdefghij"}) for line in table.lines)
    text = _terminal(tmp_path, dataclasses.replace(table, lines=widest))
    assert max(len(line) for line in text.splitlines()) <= TERMINAL_WIDTH == 120
    for row in ROWS:
        assert f"\n{row} " in text


def test_terminal_rendering_is_that_of_a_written_table(tmp_path: Path, full_table: Table) -> None:
    path = write_table(tmp_path, full_table)[0]
    text = render_terminal(path)
    assert len([line for line in text.splitlines() if line.startswith(("LC-", "LPIS-", "Row"))]) == 7
    assert "not the seed of the training" in text.replace("\n ", "")
    path.write_text("row,task\nLC-A,x\n")
    with pytest.raises(DataError, match="expected the columns of a benchmark table"):
        render_terminal(path)


def test_same_results_same_bytes(
    tmp_path: Path, smoke_results: list[RowResult], confusions: Confusions, benchmark_params: EvaluateParams
) -> None:
    tables = (build_table(smoke_results, compare_table(smoke_results, confusions, benchmark_params)) for _ in range(2))
    first, second = (write_table(tmp_path / name, table) for name, table in zip("ab", tables, strict=True))
    assert [path.name for path in first] == ["benchmark.csv", "benchmark.md"]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_undefined_figures_say_so(tmp_path: Path, make_result: MakeResult) -> None:
    result = make_result("LC-A")
    task = dataclasses.replace(result.tasks[0], oa=None, miou=None, miou_absent_left_out=None, iou=(None,) * 15)
    table = build_table([dataclasses.replace(result, tasks=(task,))])
    assert (_read(table)[0]["oa"], _read(table)[0]["miou"]) == ("", "")
    text = _terminal(tmp_path, table)
    assert "None" not in render_markdown(table) + text + render_csv(table)
    assert text.count("undefined") == render_markdown(table).count("| undefined |") == 2


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_pictures_are_repeatable(tmp_path: Path, full_table: Table, suffix: str) -> None:
    from flairhub.report.charts import draw_classes, draw_intervals

    for name, draw in (("intervals", draw_intervals), ("classes", draw_classes)):
        paths = [tmp_path / f"{name}{i}{suffix}" for i in range(2)]
        for path in paths:
            draw(full_table, path)
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_pictures_say_what_the_table_says(tmp_path: Path, full_table: Table, smoke_table: Table) -> None:
    from flairhub.report.charts import draw_classes, draw_intervals

    draw_intervals(full_table, tmp_path / "full.svg")
    draw_intervals(smoke_table, tmp_path / "smoke.svg")
    draw_classes(smoke_table, tmp_path / "classes.svg")
    full, smoke, classes = ((tmp_path / f"{n}.svg").read_text() for n in ("full", "smoke", "classes"))
    assert ">published<" in full
    assert "published" not in smoke
    assert all(f">{row}  " in smoke for row in ROWS)
    assert ">brushwood<" in classes
    assert "clear cut" not in classes
    with pytest.raises(DataError, match=r"ending in .png or .svg, but got '.jpg'"):
        draw_classes(smoke_table, tmp_path / "a.jpg")


def test_several_seeds_show_their_spread_in_every_rendering(make_result: MakeResult) -> None:
    result = make_result("LC-A")
    spread = {"oa": Spread(mean=77.25, std=0.5, n=3), "miou": Spread(mean=61.5, std=1.125, n=3)}
    several = dataclasses.replace(result, seeds=(1, 2, 3), tasks=(dataclasses.replace(result.tasks[0], spread=spread),))
    table = build_table([several, make_result("LC-B")])
    first, second = _read(table)
    assert [first[name] for name in list(first)[-5:]] == ["3", "77.2500", "0.5000", "61.5000", "1.1250"]
    assert [second[name] for name in list(second)[-5:]] == [""] * 5
    assert "| 77.25 \u00b1 0.50 (3) | 61.50 \u00b1 1.12 (3) |" in render_markdown(table)
    caption = " ".join(table.caption)
    assert "Seeds (LC-A): mean" in caption
    assert "do not cover the random seed" in caption


def test_one_seed_has_no_column_for_the_spread(smoke_table: Table) -> None:
    assert "over seeds" not in render_markdown(smoke_table)
    assert "Seeds (" not in " ".join(smoke_table.caption)


def test_a_spread_that_is_undefined_is_not_shown(confusions: Confusions) -> None:
    table = confusions["LC-A"][COSIA]
    details = build_details("LC-A", [scored_task(table)], table.patches, EVALUATION)
    assert [task.spread for task in task_results(details)] == [{}]
    spread = SeedSpread(n=2, oa=Moments(mean=70.0, std=1.0), miou=Moments(mean=None, std=None))
    (task,) = task_results(dataclasses.replace(details, spread={COSIA: spread}))
    assert task.spread == {"oa": Spread(mean=70.0, std=1.0, n=2)}
