from __future__ import annotations

from pathlib import Path

import pytest

from flairhub.errors import MissingFileError
from flairhub.lineage.fingerprint import module_fingerprint, stage_fingerprint

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path):
    """A tiny package: the stage imports `a`, which imports `b` inside a function and reads a table."""
    package = tmp_path / "src" / "flairhub"
    for folder in (package, package / "room", package / "tracking"):
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
    (package / "room" / "a.py").write_text(
        '"""Words."""\nFILE = "table.csv"\n'
        'def run():\n    """Words."""\n    from flairhub.room import b\n    return b.X\n'
    )
    (package / "room" / "b.py").write_text("X = 1  # words\n")
    (package / "room" / "c.py").write_text("Y = 1\n")
    (package / "room" / "table.csv").write_text("1")
    (package / "room" / "other.csv").write_text("1")
    (package / "tracking" / "live.py").write_text("Z = 1\n")
    script = tmp_path / "07_train.py"
    script.write_text('"""Words."""\nfrom flairhub.room.a import run\nfrom flairhub.tracking.live import Z\nrun()\n')
    return tmp_path


def fingerprint(tree):
    return stage_fingerprint("train", tree / "07_train.py", tree / "src").sha256


def edit(tree, name, old, new):
    path = tree / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("src/flairhub/room/a.py", "Words", "Other words"),
        ("src/flairhub/room/b.py", "# words", "# other words\n\n"),
        ("src/flairhub/room/c.py", "Y = 1", "Y = 2"),
        ("src/flairhub/room/other.csv", "1", "2"),
        ("src/flairhub/tracking/live.py", "Z = 1", "Z = 2"),
        ("07_train.py", "Words", "Other words"),
    ],
)
def test_what_cannot_change_the_result_leaves_the_fingerprint(tree, name, old, new):
    before = fingerprint(tree)
    edit(tree, name, old, new)
    assert fingerprint(tree) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("src/flairhub/room/a.py", "return b.X", "return b.X + 1"),
        ("src/flairhub/room/b.py", "X = 1", "X = 2"),
        ("src/flairhub/room/table.csv", "1", "2"),
        ("src/flairhub/room/__init__.py", "", "W = 1"),
        ("07_train.py", "run()", "run(); run()"),
    ],
)
def test_what_can_change_the_result_changes_the_fingerprint(tree, name, old, new):
    before = fingerprint(tree)
    edit(tree, name, old, new) if old else (tree / name).write_text(new)
    assert fingerprint(tree) != before


def test_a_missing_script_is_named(tree):
    with pytest.raises(MissingFileError, match="08_none"):
        stage_fingerprint("none", tree / "08_none.py", tree / "src")


def test_training_does_not_depend_on_rooms_that_show_results_or_on_the_sample():
    parts = stage_fingerprint("train", ROOT / "stages" / "07_train.py", ROOT / "src").parts
    rooms = {name.split(".")[1] for name in parts if name.startswith("flairhub.") and name.count(".") > 1}
    assert rooms >= {"models", "training", "data", "evaluation", "archives", "config", "catalog"}
    assert not rooms & {"tracking", "cli", "sample", "facts"}


def test_the_sample_generator_stands_alone():
    parts = module_fingerprint("flairhub.sample.build", ROOT / "src").parts
    assert {name.split(".")[1] for name in parts if name.count(".") > 1} <= {"sample", "catalog", "config"}
