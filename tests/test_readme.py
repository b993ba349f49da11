"""The README does not promise what does not work: its commands run, its files, links and stages exist.

Commands run word for word, in the order of the README, in one clone of the repository. Only what they work on is
smaller: in the clone, `profiles/sample.yaml` is the same file with the tiny data set and the two epochs of
`tests/graph` - values that the README does not state - so that `flairhub use sample` still restores exactly that
file, and every profile still lies over it.
"""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest
import yaml
from tests.graph.conftest import TINY, Clone, new_clone, ran

from flairhub.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

NOT_RUN = {
    ("Run it", "make repro"): "installs 7 GB from the network; graph, track and table run here one by one",
    ("Test it", "make test"): "these tests",
    ("One row again", "dvc exp run -S ++rows.LC-D.train.epochs=2 benchmark"): "also trains the other rows, "
    "which takes minutes; test_one_row_is_changed_by_an_experiment runs it on the row",
    ("All rows on the real data", "dvc repro"): "750 GB from the network, and GPUs",
    ("Compare in MLflow", "make ui"): "serves until it is interrupted; tests/tracking/test_ui.py starts the server",
    (
        "Get part of the data",
        "flairhub use full --rows LC-G --set 'data.subset.domains=[D012-2019, D058-2020]'",
    ): "would end the profile whose results the next sections look at; tests/config/test_profiles.py selects so",
    ("Get part of the data", "dvc repro pull"): "some GB from the network",
    ("Get part of the data", "flairhub data diff HEAD"): "wants recorded data; tests/graph/test_data_diff.py has some",
    (
        "Beyond one machine",
        "dvc remote add -d storage PATH_OR_ADDRESS",
    ): "a placeholder; tests/graph pushes to a folder",
    ("Beyond one machine", "dvc add data/archives"): "tests/graph/test_sources.py does so, and pulls in another clone",
    ("Beyond one machine", "dvc push data/archives.dvc"): "needs the remote; tests/graph/test_sources.py has one",
    ("Beyond one machine", "dvc push"): "needs the remote; tests/graph pushes to a folder and pulls elsewhere",
}
"""(section, line) -> why it is not run here."""

RUN = {
    ("One row again", "dvc repro evaluate@LC-D"),
    ("One row again", "flairhub use sample --rows LC-A,LC-B,LC-G --set train.seed=7"),
    ("One row again", "dvc repro"),
    ("One row again", "flairhub table"),
    ("One row again", "flairhub use sample"),
    ("One row again", "flairhub rows"),
    ("All rows on the real data", "flairhub use toy"),
    ("All rows on the real data", "flairhub use full"),
    ("Your own data", "flairhub use local --data data/examples/treesat --rows LC-A,LC-D,LC-F,LC-G,LC-H"),
    ("Your own data", "dvc repro"),
    ("Your own data", "flairhub audit"),
    ("Your own data", "flairhub pull --check"),
    (
        "Map a territory",
        "flairhub zonal LC-A --input AERIAL_RGBI=/vsizip/data/examples/treesat/D914-2017_AERIAL_RGBI.zip/"
        "D914-2017_AERIAL_RGBI/FF-S1-1/D914-2017_AERIAL_RGBI_FF-S1-1_1-1.tif --output maps/D914",
    ),
    ("Get part of the data", "flairhub plan --rows LC-G --domains D012,D058"),
    ("Verify it", "flairhub verify"),
    ("Verify it", "flairhub verify LC-A --level 2"),
    ("Verify it", "flairhub verify LC-G --level 3"),
    ("Compare in MLflow", "flairhub track"),
    ("Legends and model cards", "flairhub legend cosia --format qml -o cosia.qml"),
    ("Legends and model cards", "flairhub legend lpis --level 2 --format csv --language fr"),
    ("Legends and model cards", "flairhub card LC-A"),
}
"""(section, line) run by `test_the_commands_work_in_their_order`."""

SWEEP = [
    "flairhub use sample",
    "dvc repro",
    "git add dvc.lock",
    'git commit -m "Results of the sample profile"',
    "dvc exp run --queue -n rate -S train.learning_rate=0.0006,0.002,0.012,0.02 train@LC-A",
    "dvc exp run --run-all -j 2",
    "dvc exp show --only-changed",
    "flairhub sweep LC-A --picture runs/sweep.png",
    "dvc params diff rate-1 rate-3",
    "dvc metrics diff rate-1 rate-3",
    "dvc plots diff rate-1 rate-3 --targets reports/training/LC-A/loss.csv reports/training/LC-A/valid.csv",
    "dvc exp apply rate-3",
    "dvc repro evaluate@LC-A",
]
"""Lines of the section "A sweep", run by `test_the_sweep_works` in a clone of its own."""

NOT_IN_GIT = {
    ".flairhub/extracted": "unpacked archives, where a machine asks for them",
    ".flairhub/stored": "archives with stored members, made by `flairhub repack`",
    "data/archives.dvc": "made by `dvc add`, where a team keeps a mirror",
    ".venv": "made by `make env`",
    "local.yaml": "made by `flairhub use --data`, or by hand",
    "data/archives": "made by the pull stage",
    "data/weights": "made by `flairhub pull --weights`",
    ".flairhub/train": "made by the train stage",
    "dvc.lock": "made by `dvc repro`",
    "runs/ROW/volatile.json": "made by the train and evaluate stages",
    "IGNF/FLAIR-HUB": "a repository elsewhere",
    "GLOBAL_ALL_MTD_SPLIT.gpkg": "in the archives",
    "dvc_plots/index.html": "written by `dvc plots diff`",
    "predictions/ROW": "made by the evaluate stage if `evaluate.write_predictions`",
    "details.json": "in reports/rows/ROW",
    "cards/ROW": "made by `flairhub card`",
    "map.json": "made by `flairhub zonal`",
}
"""Names in backticks that are no tracked file -> what they are."""


def console_lines() -> list[tuple[str, str]]:
    """(section, line) of every console block, in order."""
    found, section, inside = [], "", False
    for line in README.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.strip():
            found.append((section, line))
    return found


def expanded(path: str) -> list[str]:
    """`a.{b,c}` -> `a.b`, `a.c`."""
    match = re.fullmatch(r"(.*)\{(.+)\}(.*)", path)
    return [match[1] + part + match[3] for part in match[2].split(",")] if match else [path]


def related(path: str, other: str) -> bool:
    first, second = PurePosixPath(path), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)


def test_every_command_is_run_or_explained():
    lines = console_lines()
    assert len(lines) > 15
    assert RUN.isdisjoint(NOT_RUN)
    assert [line for section, line in lines if section == "A sweep"] == SWEEP
    assert {found for found in lines if found[0] != "A sweep"} == RUN | set(NOT_RUN)
    assert all(NOT_RUN.values())


def test_the_blocks_are_all_of_a_known_kind():
    assert set(re.findall(r"^```(\w+)$", README, flags=re.MULTILINE)) == {"console", "mermaid", "yaml"}
    assert README.count("```") % 2 == 0


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z-]+)(?=`|$)", README, flags=re.MULTILINE))))
def test_make_targets_exist(target):
    if shutil.which("make") is None:
        pytest.skip("no make on this machine")
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_make_repro_runs_the_graph_then_track_and_table():
    rule = re.search(r"^repro:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert rule is not None
    assert rule[1].split("\n\t") == ["\tflairhub repro", "flairhub track", "flairhub table\n"]


def test_commands_named_anywhere_exist(capsys):
    named = set(re.findall(r"(?:`|^)flairhub ([a-z]+)", README, flags=re.MULTILINE))
    assert {"use", "table", "rows", "audit", "pull", "track"} <= named
    assert named <= {command.__name__.rpartition(".")[2].rstrip("_") for command in COMMANDS}
    for name in named:
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        assert end.value.code == 0
    capsys.readouterr()


def test_links_and_pictures_exist():
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    missing = [link for link in links if "://" not in link and not (ROOT / link.partition("#")[0]).exists()]
    assert missing == []


def test_files_named_exist():
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))
    outputs = [path for stage in STAGES for path in stage.writes]
    paths = {span.rstrip("/") for span in spans if re.fullmatch(r"\.?[\w.-]+(/[\w.{},-]+)*/?", span)}
    paths = {
        path for path in paths if "/" in path or re.search(r"^\.\w|\.(ya?ml|json|lock|md|gpkg|cff|toml|csv)$", path)
    }
    assert {"params.yaml", "requirements.lock", "profiles/full.yaml", "data/csv"} <= paths
    unknown = [
        each
        for path in sorted(paths - NOT_IN_GIT.keys())
        for each in expanded(path)
        if not (ROOT / each).exists() and not any(related(each, output) for output in outputs)
    ]
    assert unknown == []
    assert NOT_IN_GIT.keys() <= paths


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml, whatever rows it is repeated for."""

    name: str
    reads: frozenset[str]
    writes: frozenset[str]


def stages() -> list[Stage]:
    """The stages in the order of dvc.yaml; a stage per row once, with ROW in its paths."""
    found = []
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].items():
        repeated = "matrix" in stage
        paths = {
            key: [
                (next(iter(path)) if isinstance(path, dict) else path).replace("${item.id}", "ROW")
                for path in stage.get(key, ())
            ]
            for key in ("deps", "outs", "metrics", "plots")
        }
        found.append(
            Stage(
                f"{name}@ROW" if repeated else name,
                frozenset(paths["deps"]),
                frozenset(paths["outs"] + paths["metrics"] + paths["plots"]),
            )
        )
    return found


STAGES = stages()


def test_the_figure_of_the_graph_has_the_boxes_and_arrows_of_dvc_yaml():
    """Every arrow is a dependency of dvc.yaml and every dependency is reached by arrows."""
    (figure,) = re.findall(r"^```mermaid\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    boxes = dict(re.findall(r'(\w+)\["([^"]+)"\]', figure))
    assert sorted(boxes.values()) == sorted(stage.name for stage in STAGES)
    chains = [re.findall(r"\w+", re.sub(r'\["[^"]+"\]', "", line)) for line in figure.splitlines() if "-->" in line]
    drawn = {(boxes[a], boxes[b]) for chain in chains for a, b in itertools.pairwise(chain)}
    needed = {
        (first.name, second.name)
        for first in STAGES
        for second in STAGES
        if first != second and any(related(read, wrote) for read in second.reads for wrote in first.writes)
    }
    assert drawn <= needed
    reached = set(drawn)
    while more := {(a, d) for a, b in reached for c, d in reached if b == c} - reached:
        reached |= more
    assert needed <= reached


def test_the_table_of_stages_is_that_of_the_graph():
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| .+ \|$", README, flags=re.MULTILINE)
    assert [name for name, _ in rows] == [stage.name for stage in STAGES]
    for (name, written), stage in zip(rows, STAGES, strict=True):
        for path in expanded(written):
            assert any(related(path, output) for output in stage.writes), name


def test_settings_of_the_yaml_block_are_accepted(tmp_path):
    from flairhub.config.runtime import read_settings
    from flairhub.config.workspace import Workspace

    (block,) = re.findall(r"^```yaml\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "local.yaml").write_text(block)
    settings = read_settings(Workspace(tmp_path, tmp_path), {})
    assert (settings.workers, settings.devices, settings.accelerator) == (8, 4, "gpu")


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """A fresh clone whose default is tiny."""
    made = new_clone(tmp_path_factory.mktemp("readme") / "clone", also=("data/examples", "README.md"))
    made.flairhub("use", "sample", *(word for change in TINY for word in ("--set", change)))
    shutil.copy(made.folder / "params.yaml", made.folder / "profiles/sample.yaml")
    made.commit("start")
    return made


def carry_out(clone: Clone, line: str) -> str:
    program, *arguments = shlex.split(line)
    done = clone.flairhub(*arguments) if program == "flairhub" else clone.run(program, *arguments)
    return done.stdout


@pytest.mark.graph
def test_the_commands_work_in_their_order(clone):
    wanted = iter(line for line in console_lines() if line in RUN)
    said = {}
    for section, lines in itertools.groupby(wanted, key=lambda found: found[0]):
        for _, line in lines:
            said[section, line] = carry_out(clone, line)
            if line == "flairhub use sample":
                read = [(clone.folder / name).read_bytes() for name in ("params.yaml", "profiles/sample.yaml")]
                assert read[0] == read[1]
    assert said.keys() == RUN
    row = said["One row again", "dvc repro evaluate@LC-D"]
    assert {name for name in ran(row) if "@" in name} == {"train@LC-D", "evaluate@LC-D"}
    assert re.findall(r"\bLC-\w+", said["One row again", "flairhub table"]) == ["LC-A", "LC-B", "LC-G"]
    assert len(re.findall(r"^(?:LC|LPIS)-\w+ ", said["One row again", "flairhub rows"], flags=re.MULTILINE)) == 24
    own = said["Your own data", "dvc repro"]
    assert {f"train@{row}" for row in ("LC-A", "LC-D", "LC-F", "LC-G", "LC-H")} <= ran(own)
    assert "archives are what data/manifest.json says" in said["Your own data", "flairhub pull --check"]
    assert "date_finite" in said["Your own data", "flairhub audit"]
    assert "5 rows" in said["Verify it", "flairhub verify"]
    assert "repeats their confusion exactly" in said["Verify it", "flairhub verify LC-A --level 2"]
    assert "1 of 1 weights have the same SHA-256" in said["Verify it", "flairhub verify LC-G --level 3"]
    assert said["Compare in MLflow", "flairhub track"].startswith("MLflow: ")
    # "changes nothing": the runs are complete, and a second look finds all five so.
    assert carry_out(clone, "flairhub track") == "MLflow: 0 runs created, 0 completed, 5 unchanged.\n"
    assert ran(carry_out(clone, "dvc repro")) == set()
    assert str(clone.folder) not in (clone.folder / "params.yaml").read_text()


@pytest.mark.graph
def test_the_sweep_works(tmp_path):
    clone = new_clone(tmp_path / "clone")
    clone.flairhub("use", "sample", "--rows", "LC-A,LC-G", *(word for change in TINY for word in ("--set", change)))
    shutil.copy(clone.folder / "params.yaml", clone.folder / "profiles/sample.yaml")
    clone.commit("start")
    said = {line: carry_out(clone, line) for line in SWEEP}
    table = said["dvc exp show --only-changed"]
    for name in ("rate-1", "rate-2", "rate-3", "rate-4", "valid.miou", "train.learning_rate", "0.0006", "0.02"):
        assert name in table
    ranked = re.findall(
        r"^(rate-\d)\s+Success\s+([\d.]+)\s+([\d.]+)$",
        said["flairhub sweep LC-A --picture runs/sweep.png"],
        flags=re.MULTILINE,
    )
    assert sorted(name for name, _, _ in ranked) == ["rate-1", "rate-2", "rate-3", "rate-4"]
    scores = [float(score) for _, score, _ in ranked]
    assert scores == sorted(scores, reverse=True)
    assert (clone.folder / "runs/sweep.png").stat().st_size > 5000
    assert re.search(r"train\.learning_rate\s+0\.0006\s+0\.012", said["dvc params diff rate-1 rate-3"])
    assert "valid.miou" in said["dvc metrics diff rate-1 rate-3"]
    page = (clone.folder / "dvc_plots/index.html").read_text()
    assert set(re.findall(r'id *= *"(reports_[\w-]+)"', page)) == {
        f"reports_training_LC-A_{curve}_csv" for curve in ("loss", "valid")
    }
    assert ran(said["dvc repro evaluate@LC-A"]) <= {"resolve", "evaluate@LC-A"}
    assert "evaluate@LC-A" in ran(said["dvc repro evaluate@LC-A"])
    changed = set(clone.run("git", "status", "--porcelain").stdout.split()) - {"M"}
    assert changed <= {"params.yaml", "dvc.lock"}
    assert (clone.folder / "models/LC-G/model.safetensors").is_file()  # applying took no other row away


@pytest.mark.graph
def test_one_row_is_changed_by_an_experiment(clone):
    (line,) = [line for _, line in console_lines() if line.startswith("dvc exp run -S")]
    clone.run("git", "checkout", "-q", "params.yaml")
    stages = ran(carry_out(clone, line.replace("benchmark", "train@LC-D").replace("epochs=2", "epochs=1")))
    assert "train@LC-D" in stages
    assert not {name for name in stages if "@" in name} - {"train@LC-D"}
    row = (clone.folder / "params.yaml").read_text().partition("  LC-D:\n")[2].partition("  LC-E:\n")[0]
    assert "    train:\n" in row
