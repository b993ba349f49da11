from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from flairhub.errors import MissingFileError
from flairhub.files import write_json
from flairhub.lineage.fingerprint import stage_fingerprint
from flairhub.lineage.witness import ChangedError, begin

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "stages" / "04_split.py"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n"
        "  split:\n    cmd: x\n    deps: [data/index, data/code/split.json, data/sources/archives.json, absent]\n"
        "    params: [split.seed, rows]\n"
        '  train:\n    matrix: {id: "${rows}"}\n    cmd: x\n    deps: ["data/inputs/${item.id}.json"]\n'
    )
    (tmp_path / "params.yaml").write_text("split: {seed: 1, unit: roi}\nrows: {A: {}}\n")
    (tmp_path / "data" / "index").mkdir(parents=True)
    (tmp_path / "data" / "index" / "a.parquet").write_text("a")
    stage_fingerprint("split", SCRIPT, ROOT / "src").write(tmp_path / "data" / "code" / "split.json")
    return tmp_path


def start(root: Path, stage: str = "split", row: str | None = None):
    return begin(stage, row, SCRIPT, ROOT / "src", root)


def test_nothing_changed(repository: Path):
    witness = start(repository)
    (repository / "data" / "index" / "__pycache__").mkdir()
    (repository / "data" / "index" / "__pycache__" / "x.pyc").write_text("")
    text = (repository / "params.yaml").read_text()
    (repository / "params.yaml").write_text("# and another parameter\n" + text.replace("roi", "x"))
    (repository / "data" / "sources").mkdir()
    (repository / "data" / "sources" / "archives.json").write_text("{}")  # what the stage itself notes
    witness.confirm()


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("params.yaml", "split: {seed: 3}\nrows: {A: {}}\n", "but split.seed changed"),
        ("params.yaml", "split: {seed: 1}\nrows: {B: {}}\n", "but rows changed"),
        ("data/index/b.parquet", "b", "but data/index changed"),
        ("absent", "now", "but absent changed"),
        ("data/code/split.json", "{}", "but data/code/split.json changed"),
    ],
)
def test_what_changed_is_named(repository: Path, name: str, text: str, named: str):
    witness = start(repository)
    (repository / name).write_text(text)
    with pytest.raises(ChangedError, match=f"{named} while it ran; its result is not recorded"):
        witness.confirm()


def test_a_row_depends_on_its_own_inputs(repository: Path):
    for row in "AB":
        write_json(repository / "data" / "inputs" / f"{row}.json", {"row": row})
    witness = start(repository, "train", "A")
    write_json(repository / "data" / "inputs" / "B.json", {})
    witness.confirm()
    write_json(repository / "data" / "inputs" / "A.json", {})
    with pytest.raises(ChangedError, match=r"train@A .* data/inputs/A.json"):
        witness.confirm()


def test_code_that_is_not_the_fingerprinted_one_is_refused(repository: Path, tmp_path_factory: pytest.TempPathFactory):
    source = tmp_path_factory.mktemp("copy") / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    os.utime(repository / "data/code/split.json", (0, 0))
    begin("split", None, SCRIPT, source, repository)  # younger files of the same code
    path = source / "flairhub" / "splits" / "table.py"
    path.write_text(path.read_text() + "\nX = 1\n")
    with pytest.raises(ChangedError, match=r"the code of split .* have changed since; run `dvc repro`"):
        begin("split", None, SCRIPT, source, repository)


def test_a_stage_that_dvc_does_not_know(repository: Path):
    with pytest.raises(MissingFileError, match="a stage 'spilt'"):
        start(repository, "spilt")


def test_a_fingerprint_of_no_module_says_nothing_about_code(repository: Path):
    write_json(repository / "data/code/split.json", {"format": 1, "stage": "split", "sha256": "other", "parts": {}})
    start(repository).confirm()
