from __future__ import annotations

from pathlib import Path

import pytest

from flairhub.benchmark.graph_file import read_graph
from flairhub.benchmark.graph_picture import draw_graph
from flairhub.errors import ConfigurationError, DataError

ROOT = Path(__file__).parents[2]


def written(tmp_path, text):
    path = tmp_path / "dvc.yaml"
    path.write_text(text)
    return path


def test_the_graph_of_this_repository():
    graph = read_graph(ROOT / "dvc.yaml")
    assert [stage.name for stage in graph.feeders] == ["code"]
    assert [stage.name for stage in graph.stages] == [
        "pull",
        "index",
        "audit",
        "split",
        "stats",
        "resolve",
        "train@ROW",
        "evaluate@ROW",
        "benchmark",
    ]
    assert [stage.name for stage in graph.stages if stage.repeated] == ["train@ROW", "evaluate@ROW"]
    evaluate = graph.stages[7]
    assert "reports/rows/ROW/metrics.json" in evaluate.writes
    assert graph.fed(evaluate) == ("data/code/evaluate.json", "data/code/train.json")
    assert {
        ("pull", "index"),
        ("resolve", "train@ROW"),
        ("resolve", "evaluate@ROW"),
        ("train@ROW", "benchmark"),
        ("evaluate@ROW", "benchmark"),
    } <= set(graph.edges)
    assert not {("pull", "audit"), ("resolve", "benchmark")} & set(graph.edges)


def test_a_path_is_read_as_itself_inside_a_folder_and_as_the_folder_around_it(tmp_path):
    path = written(
        tmp_path,
        "stages:\n"
        "  c: {cmd: x, deps: [b/x.json, out], outs: [z]}\n"
        "  a: {cmd: x, outs: [a.txt], metrics: [m.json: {cache: false}]}\n"
        "  b: {cmd: x, deps: [a.txt, m.json], outs: [b]}\n"
        "  d: {matrix: {i: '${list.items}'}, cmd: x, deps: ['b/${item.i}'], outs: ['out/${item.i}/v']}\n",
    )
    graph = read_graph(path)
    assert [stage.name for stage in graph.feeders] == []
    assert [stage.name for stage in graph.stages] == ["a", "b", "d@ITEM", "c"]
    assert graph.edges == (("a", "b"), ("b", "d@ITEM"), ("b", "c"), ("d@ITEM", "c"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "stages:\n  a: {cmd: x, deps: [b], outs: [a]}\n  b: {cmd: x, deps: [a], outs: [b]}\n",
            "go round in a circle",
        ),
        ("stages: {}\n", "Expected stages"),
    ],
)
def test_files_that_are_no_graph_are_refused(text, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message):
        read_graph(written(tmp_path, text))


def test_the_picture_is_repeatable_and_follows_the_file(tmp_path):
    for name in ("one.png", "two.png"):
        draw_graph(ROOT / "dvc.yaml", tmp_path / name)
    first = (tmp_path / "one.png").read_bytes()
    assert first == (tmp_path / "two.png").read_bytes()
    assert len(first) < 600_000
    text = (ROOT / "dvc.yaml").read_text().replace("      - data/stats\n", "      - data/moments\n")
    draw_graph(written(tmp_path, text), tmp_path / "three.svg")
    drawn = (tmp_path / "three.svg").read_text()
    assert ">data/moments<" in drawn
    assert ">data/stats<" not in drawn
    assert ">evaluate@ROW<" in drawn


def test_the_committed_picture_is_that_of_the_committed_graph(tmp_path):
    draw_graph(ROOT / "dvc.yaml", tmp_path / "graph.png")
    from matplotlib.image import imread

    committed, fresh = imread(ROOT / "assets/graph.png"), imread(tmp_path / "graph.png")
    assert committed.shape == fresh.shape, "run `flairhub pictures` and commit the picture"
    # Another version of matplotlib may draw edges of letters a little differently.
    assert abs(committed - fresh).mean() < 0.005, "run `flairhub pictures` and commit the picture"


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"graph\.gif"):
        draw_graph(ROOT / "dvc.yaml", tmp_path / "graph.gif")


def test_every_row_is_an_artifact_with_its_task_and_inputs_as_labels():
    from flairhub.config.yaml_file import read_yaml

    rows = read_yaml(ROOT / "params.yaml")["rows"]
    artifacts = read_yaml(ROOT / "dvc.yaml")["artifacts"]
    assert list(artifacts) == list(rows)
    for row, artifact in artifacts.items():
        assert (artifact["path"], artifact["type"]) == (f"models/{row}/model.safetensors", "model")
        assert artifact["labels"] == [*rows[row]["tasks"], *rows[row]["modalities"]]
        assert artifact["desc"].startswith("crops from " if row.startswith("LPIS") else "land cover from ")
