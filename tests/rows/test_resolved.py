"""What is kept of a resolved row: found again where nothing that decides about its data has changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flairhub.archives.checksums import Checksums
from flairhub.config.reader import parse_params
from flairhub.config.resolve import merged
from flairhub.config.yaml_file import read_yaml
from flairhub.errors import ConfigurationError, DataError
from flairhub.files import write_json
from flairhub.models import trial
from flairhub.records.columns import FOLDER
from flairhub.records.inputs import read_inputs
from flairhub.records.manifest import ArchiveEntry, Manifest, write_manifest
from flairhub.rows import resolved
from flairhub.rows.resolved import GraphFiles, Resolver

PROFILE = Path(__file__).parents[2] / "profiles" / "sample.yaml"
PATCHES = {
    "train": ["D901-2020_AA-S1-1_1-1", "D901-2020_AA-S1-2_1-1"],
    "valid": ["D901-2020_AA-S1-3_1-1"],
    "test": ["D902-2020_AA-S1-1_1-1"],
}
LAYERS = ("AERIAL_RGBI", "AERIAL_LABEL-COSIA")


class World:
    """The outputs of the stages before, and a resolver over them."""

    def __init__(self, root: Path, facts: Any, valid_of: Any) -> None:
        self.root = root
        rng = np.random.default_rng(0)
        for patch in (patch for split in PATCHES.values() for patch in split):
            facts.add(patch, "AERIAL_RGBI", rng.integers(0, 255, (4, 8, 8), dtype=np.uint8))
            facts.add(patch, "AERIAL_LABEL-COSIA", rng.integers(0, 9, (1, 8, 8), dtype=np.uint8))
        index = facts.splits(split_1={}).write()
        self.files = GraphFiles(
            manifest=root / "manifest.json",
            index=index,
            valid=root / "valid.parquet",
            splits=root / "splits",
            code=root / "code.json",
        )
        valid_of(index).to_parquet(self.files.valid)
        names = [f"{domain}-2020_{layer}" for domain in ("D901", "D902") for layer in LAYERS]
        entries = tuple(
            ArchiveEntry(name=name, kind="zip", size=1, sha256="a" * 64, revision=None) for name in sorted(names)
        )
        write_manifest(self.files.manifest, Manifest(source={"kind": "sample", "key": "k"}, archives=entries))
        write_json(self.files.code, {"sha256": "c" * 64})
        self.files.splits.mkdir()
        for split, patches in PATCHES.items():
            (self.files.splits / f"{split}.csv").write_text("\n".join(["patch_id", *patches]) + "\n")

    def resolve(self, **changes: Any) -> dict[str, bytes]:
        """Content of the rows' files by name, resolved into an empty folder."""
        row = {"tasks": ["AERIAL_LABEL-COSIA"], "modalities": ["AERIAL_RGBI"]}
        values = merged(read_yaml(PROFILE) | {"rows": {"A": row, "B": row}}, changes)
        resolver = Resolver(
            params=parse_params(values, "params.yaml"),
            files=self.files,
            kept=self.root / "kept",
            facts_sha256=self.files.sha256(Checksums(self.root / "sums.sqlite")),
        )
        out = self.root / "inputs"
        shutil.rmtree(out, ignore_errors=True)
        resolver.resolve(lambda _: None, lambda _: None, out)
        for name in ("A", "B"):
            assert read_inputs(out / f"{name}.json").splits["train"].patch_ids == tuple(PATCHES["train"])
        return {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.fixture
def world(tmp_path: Path, facts: Any, valid_of: Any) -> World:
    root = tmp_path / "world"
    root.mkdir()
    return World(root, facts, valid_of)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often facts were loaded."""
    seen: list[int] = []
    load = resolved.load_facts
    monkeypatch.setattr(resolved, "load_facts", lambda *args: seen.append(1) or load(*args))
    return seen


def test_what_does_not_concern_data_loads_no_fact_and_adds_no_column(world: World, loads: list[int]) -> None:
    first = world.resolve()
    second = world.resolve(train={"learning_rate": 0.5})
    assert len(loads) == 1
    assert {name for name in first if name.endswith(".parquet")} == {n for n in second if n.endswith(".parquet")}
    assert first["A.json"] != second["A.json"]
    assert world.resolve() == first


def test_kept_and_fresh_results_have_the_same_bytes(world: World) -> None:
    world.resolve(train={"learning_rate": 0.5})
    kept = world.resolve()
    shutil.rmtree(world.root / "kept")
    assert world.resolve() == kept


def test_whatever_decides_about_data_resolves_anew(world: World, loads: list[int]) -> None:
    world.resolve()
    world.resolve(channels={"AERIAL_RGBI": [1, 2, 3]})
    world.resolve(rows={"A": {"domains": None}, "B": {"train": {"sampling": "class_balanced"}}})
    write_json(world.files.code, {"sha256": "d" * 64})
    world.resolve()
    (world.files.splits / "valid.csv").write_text(f"patch_id\n{PATCHES['valid'][0]}\n\n")
    world.resolve()
    assert len(loads) == 5


def test_old_results_go_with_the_columns_that_only_they_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolved, "KEPT_ROWS", 1)
    world.resolve()
    before = set((world.root / "kept" / FOLDER).iterdir())
    (world.files.splits / "test.csv").write_text(f"patch_id\n{PATCHES['test'][0]}\n{PATCHES['valid'][0]}\n")
    world.resolve()
    after = set((world.root / "kept" / FOLDER).iterdir())
    assert len(list((world.root / "kept").glob("*.json"))) == 1
    assert before - after


def test_networks_that_no_batch_passes_are_refused_and_others_tried_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[tuple[str, int]] = []
    require = trial.require_trainable
    monkeypatch.setattr(
        trial, "require_trainable", lambda row, *rest: tried.append((row, rest[1])) or require(row, *rest)
    )
    world.resolve(train={"global_batch_size": 2})
    world.resolve(train={"global_batch_size": 2, "learning_rate": 0.5})
    assert tried == [("A", 2)]  # B has the same network; a rate is no part of it
    deeplab = {"mono": {"arch": "resnet18-deeplabv3plus", "decoder_options": {"decoder_channels": 32}}}
    one = {"global_batch_size": 1}
    with pytest.raises(ConfigurationError, match=r"Row A: a batch of 1 patch .* resnet18-deeplabv3plus"):
        world.resolve(train=one, model=deeplab)
    world.resolve(train={"global_batch_size": 2}, model=deeplab)
    with pytest.raises(ConfigurationError, match=r"a multiple of train\.accumulate"):
        world.resolve(train={"global_batch_size": 3, "accumulate": 2})


def test_labels_without_scored_pixels_are_counted_and_said_every_time(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    labels = {"AERIAL_LABEL-COSIA": {"class_weights": {"default": 1.0, "exceptions": dict.fromkeys(range(9), 0.0)}}}
    with pytest.raises(DataError, match=r"Row A: expected pixels of scored classes .* in train, but its 2 patches"):
        world.resolve(labels=labels)
    with pytest.raises(DataError, match="in train"):  # what is kept says so, too
        world.resolve(labels=labels)
    assert not caplog.records
