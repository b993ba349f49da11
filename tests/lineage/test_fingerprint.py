from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from flairhub.errors import MissingFileError
from flairhub.lineage.concerns import AROUND, FACTS, SURROUNDINGS
from flairhub.lineage.fingerprint import code_fingerprint, stage_fingerprint, with_file

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
    return stage_fingerprint("show", tree / "07_train.py", tree / "src").sha256


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


def test_a_file_beside_the_code_is_part_of_it(tree):
    plain = stage_fingerprint("show", tree / "07_train.py", tree / "src")
    lock = tree / "requirements.lock"
    with pytest.raises(MissingFileError, match=r"requirements\.lock, which stage 'show' depends on"):
        with_file(plain, lock)
    lock.write_text("torch==1")
    first = with_file(plain, lock)
    assert first.parts.items() - plain.parts.items() == {("requirements.lock", sha256(b"torch==1").hexdigest())}
    assert first == with_file(plain, lock)
    lock.write_text("torch==2")
    assert len({plain.sha256, first.sha256, with_file(plain, lock).sha256}) == 3


def test_a_missing_script_is_named(tree):
    with pytest.raises(MissingFileError, match="08_none"):
        stage_fingerprint("none", tree / "08_none.py", tree / "src")


TRAIN = {
    "the package itself": {"flairhub", "compute", "config", "data", "inference", "models", "records", "training"}
    | {"archives", "catalog", "evaluation", "weights"},
    "decodes pixels and says which are valid": {
        "archives.deflate",
        "archives.find",
        "archives.raster",
        "archives.tiff_header",
        "archives.reader",
        "archives.validity",
    },
    "bands, classes, names": {"catalog.class_tables", "catalog.modalities", "catalog.names", "catalog.rows"}
    | {"catalog.taxonomies", "catalog.value_ranges"},
    "device of the arithmetic, number of threads, sums over processes": {"compute.devices", "compute.processes"},
    "the recipe": {"config.base", "config.channels", "config.inputs", "config.model", "config.recipe"}
    | {"config.training"},
    "from patches to tensors, their order and augmentation": {
        *(
            "data.augmentation",
            "data.batch",
            "data.dataset",
            "data.cloud_filter",
            "data.date_choice",
            "data.day_offsets",
            "data.handover",
            "data.loaders",
            "data.normalisation",
        ),
        *("data.preprocess", "data.sampler", "data.series"),
    },
    "validation chooses the weights": {
        *("evaluation.confusion", "evaluation.metrics", "evaluation.protocols", "inference.predict"),
        *("inference.classes", "inference.views", "records.classes"),
    },
    "the network": {
        *("models.adapt", "models.arch", "models.backbone", "models.build", "models.dropout", "models.fusion"),
        *("models.network", "models.pretrained", "models.resize", "models.spec", "models.temporal", "models.tensors"),
        *("models.upernet", "models.utae", "models.parameters", "models.published", "models.renames", "models.trial"),
        *("models.gradient_order", "models.memoryless"),
    },
    "what the row reads": {"records.inputs", "records.inputs_file", "records.patches"},
    "the environment of the arithmetic": {"surroundings"},
    "loss, optimiser, schedule, progress, and how it is computed": {
        "training.arithmetic",
        *("training.callbacks", "training.conversion", "training.losses", "training.module", "training.optimisers"),
        *("training.progress", "training.runner", "training.schedule", "training.validation"),
        "training.validation_loss",
    },
    "weights that a row is given": {"weights.checkpoints", "weights.contract"},
}
"""Reason -> modules in the fingerprint of `train`. A new module needs one: else it belongs to `concerns`."""


def test_every_module_that_can_throw_trainings_away_has_a_reason():
    parts = stage_fingerprint("train", ROOT / "stages" / "07_train.py", ROOT / "src").parts
    modules = {name.removeprefix("flairhub.") for name in parts if "/" not in name}
    assert modules - set().union(*TRAIN.values()) == set()
    assert set().union(*TRAIN.values()) - modules == set(), "these are not reached any more"


def test_what_is_left_out_exists_and_says_why():
    for names in (SURROUNDINGS, *AROUND.values()):
        for module, reason in names.items():
            path = ROOT / "src" / Path(*module.split("."))
            assert path.is_dir() or path.with_suffix(".py").is_file(), module
            assert len(reason.split()) > 2


def test_facts_do_not_depend_on_the_sample_on_downloads_or_on_stages():
    parts = code_fingerprint("facts", FACTS, ROOT / "src").parts
    rooms = {name.split(".")[1] for name in parts if name.count(".") > 1}
    assert rooms <= {"archives", "catalog", "facts", "config"}


def test_the_text_of_an_exception_counts_for_nothing_and_its_kind_does(tree):
    path = tree / "src/flairhub/room/b.py"
    path.write_text('def f(x):\n    raise ValueError(f"one {x}") from None\nX = 1\n')
    before = fingerprint(tree)
    edit(tree, "src/flairhub/room/b.py", "one {x}", "another text")
    assert fingerprint(tree) == before
    edit(tree, "src/flairhub/room/b.py", "ValueError", "KeyError")
    assert fingerprint(tree) != before


def test_what_every_stage_begins_with_counts(tree):
    (tree / "_stage.py").write_text("X = 1\n")
    before = fingerprint(tree)
    edit(tree, "_stage.py", "X = 1", "X = 2")
    assert fingerprint(tree) != before


def test_the_sample_generator_stands_alone():
    parts = code_fingerprint("sample", ["flairhub.sample.build"], ROOT / "src").parts
    assert {name.split(".")[1] for name in parts if name.count(".") > 1} <= {"sample", "catalog", "config"}
