"""What lies outside the repository and changes numbers: a folder of archives, weights files, splits."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import pytest
import torch
from tests.graph.conftest import ROOT, Clone, another_machine, clone_with_data, new_clone, ran

from flairhub.models.arch import plan_encoder
from flairhub.models.backbone import create_encoder

pytestmark = pytest.mark.graph

TREESAT = ROOT / "data" / "examples" / "treesat"
SETS = ("train.epochs=1", "evaluate.resamples=50", "evaluate.examples=0")
MANIFEST = "data/manifest.json"


def use(clone, data, *sets):
    return clone.flairhub("use", "local", "--data", str(data), "--rows", "LC-A", "--set", *SETS, *sets).stdout


def names(clone):
    return {entry["name"] for entry in json.loads((clone.folder / MANIFEST).read_text())["archives"]}


@pytest.fixture
def world(tmp_path):
    """A clone, and two folders of archives: B lacks a domain of A."""
    clone = new_clone(tmp_path / "clone")
    for name in "AB":
        shutil.copytree(TREESAT, tmp_path / name)
    for path in (tmp_path / "B").glob("D917-2017_*"):
        path.unlink()
    clone.commit("start")
    return clone, tmp_path / "A", tmp_path / "B"


def test_another_folder_makes_pull_stale_and_the_run_cache_keeps_them_apart(world):
    clone, first, second = world
    assert "differ" not in use(clone, first)
    clone.repro("pull")
    of_first, whole = (clone.folder / MANIFEST).read_bytes(), names(clone)
    assert "up to date" in clone.run("dvc", "status", "pull").stdout
    said = use(clone, second)
    assert "6 missing, e.g. D917-2017_AERIAL_LABEL-COSIA" in said
    assert "data/sources/archives.json" in clone.run("dvc", "status", "pull").stdout
    assert "pull" in clone.repro("pull")
    of_second = (clone.folder / MANIFEST).read_bytes()
    assert names(clone) == {name for name in whole if not name.startswith("D917")}
    (second / "D917-2017_DEM_ELEV.ZIP").write_text("x")
    pulled = clone.run("dvc", "repro", "-f", "pull")  # which noted the archives of B under A's key
    assert "'D917-2017_DEM_ELEV.ZIP' instead of D917-2017_DEM_ELEV.zip; rename or remove it." in pulled.stderr
    assert (clone.folder / MANIFEST).read_bytes() == of_second
    clone.use("--rows", "LC-A")
    clone.repro("pull")
    use(clone, first)
    clone.repro("pull")
    assert (clone.folder / MANIFEST).read_bytes() == of_first
    use(clone, second)
    clone.repro("pull")
    assert (clone.folder / MANIFEST).read_bytes() == of_second
    for path in (clone.folder / "data/sources/archives.json", clone.folder / "dvc.lock", clone.folder / "params.yaml"):
        assert str(first.parent) not in path.read_text()


def test_a_changed_folder_is_noticed_by_repro_and_by_the_stages(world):
    clone, folder, _ = world
    use(clone, folder)
    (folder / "GLOBAL_ALL_MTD.zip").rename(folder.parent / "GLOBAL_ALL_MTD.zip")
    failed = clone.flairhub("repro", "--jobs", "1", check=False)
    assert failed.returncode != 0
    assert "there is no archive GLOBAL_ALL_MTD; add it and run `flairhub repro`" in failed.stderr
    (folder.parent / "GLOBAL_ALL_MTD.zip").rename(folder / "GLOBAL_ALL_MTD.zip")
    done = clone.flairhub("repro", "--jobs", "1")
    assert "1 new, e.g. GLOBAL_ALL_MTD" in done.stdout
    assert {"pull", "index", "train@LC-A", "benchmark"} <= ran(done.stdout)
    assert ran(clone.flairhub("repro", "--jobs", "1").stdout) == set()
    assert "up to date" in clone.run("dvc", "status").stdout
    # A new time alone costs a pull and nothing else; the note says the same bytes as before.
    noted = (clone.folder / "data/sources/archives.json").read_bytes()
    os.utime(folder / "GLOBAL_ALL_MTD.zip", ns=(7, 7))
    assert ran(clone.flairhub("repro", "--jobs", "1").stdout) == {"pull"}
    assert (clone.folder / "data/sources/archives.json").read_bytes() == noted
    # Other bytes: DVC alone does not see them, but no stage reads them.
    shutil.copy(folder / "D911-2020_AERIAL_RGBI.zip", folder / "D912-2019_AERIAL_RGBI.zip")
    for stage in ("index", "evaluate@LC-A"):
        refused = clone.run("dvc", "repro", "-s", "-f", stage, check=False)
        assert refused.returncode != 0
        assert "D912-2019_AERIAL_RGBI.zip: expected the zip" in refused.stderr
        assert "flairhub repro" in refused.stderr


def test_an_experiment_in_a_copy_notes_what_it_reads(world):
    clone, first, second = world
    use(clone, first)
    clone.repro("pull")
    clone.commit("A")
    use(clone, second)
    clone.run("dvc", "exp", "run", "--temp", "-n", "other", "pull")
    refs = clone.run("git", "for-each-ref", "refs/exps", "--format=%(refname)").stdout.split()
    (ref,) = [name for name in refs if name.endswith("/other")]
    noted = clone.run("git", "show", f"{ref}:data/sources/archives.json").stdout
    archives = json.loads(noted)["archives"]
    assert all(entry["sha256"] for entry in archives)
    assert not any(entry["name"].startswith("D917") for entry in archives)
    assert hashlib.md5(noted.encode()).hexdigest() in clone.run("git", "show", f"{ref}:dvc.lock").stdout


def encoder(path, seed):
    """Weights of the sample profile's encoder."""
    torch.manual_seed(seed)
    plan = plan_encoder("test_resnet-unet", 3, (64, 64), {})
    path.parent.mkdir(exist_ok=True)
    torch.save(create_encoder(plan, 3, {}).state_dict(), path)


def test_replaced_weights_train_again_and_moved_ones_do_not(finished, tmp_path):
    path = tmp_path / "far" / "encoder.pth"
    encoder(path, 1)
    sets = ("train.epochs=1", f"model.mono.encoder_weights={path}", "model.mono.decoder_options={}")
    clone = clone_with_data(finished, tmp_path / "clone", "--rows", "LC-A", "--set", *sets)
    assert "train@LC-A" in ran(clone.flairhub("repro").stdout)
    weights = clone.folder / "models/LC-A/model.safetensors"
    first = weights.read_bytes()
    assert ran(clone.flairhub("repro").stdout) == set()
    encoder(path, 2)
    stages = ran(clone.flairhub("repro").stdout)
    assert {"resolve", "train@LC-A", "evaluate@LC-A"} <= stages
    second = weights.read_bytes()
    assert first != second
    moved = tmp_path / "moved" / path.name
    path.parent.rename(moved.parent)
    params = clone.folder / "params.yaml"
    params.write_text(params.read_text().replace(str(path), str(moved)))
    assert "train@LC-A" not in ran(clone.flairhub("repro").stdout)
    encoder(moved, 1)
    clone.flairhub("repro")
    assert weights.read_bytes() == first
    for name in ("data/sources/weights.json", "data/inputs/LC-A.json"):
        assert str(tmp_path) not in (clone.folder / name).read_text()


def test_a_clone_without_archives_is_told_the_command_that_fetches_them(finished, tmp_path):
    other = another_machine(finished, tmp_path)
    other.use("--rows", "LC-A,LC-G", "--set", "rows.LC-A.train={epochs: 1}")
    failed = other.run("dvc", "repro", "train@LC-A", check=False)
    assert failed.returncode != 0
    assert "run `flairhub pull`" in failed.stderr
    other.flairhub("pull")
    assert "train@LC-A" in other.repro("train@LC-A")
    assert other.run("git", "diff", "--stat", "data/sources").stdout == ""


def test_a_team_s_mirror_fills_the_store_of_a_new_clone(tmp_path):
    """Archives in the team's own remote: `dvc add`, `dvc push`; elsewhere `dvc pull`, and the stage only verifies."""
    remote = tmp_path / "remote"
    first = new_clone(tmp_path / "first")
    first.use("--rows", "LC-G")
    first.repro("pull")
    first.run("dvc", "remote", "add", "-d", "mirror", str(remote))
    first.run("dvc", "add", "-q", "data/archives")
    first.run("dvc", "push", "-q", "data/archives.dvc")
    assert "up to date" in first.run("dvc", "status", "pull", "data/archives.dvc").stdout
    first.commit("archives are in the mirror")

    first.run("git", "clone", "-q", str(first.folder), str(tmp_path / "second"))
    second = Clone(tmp_path / "second")
    assert not (second.folder / "data/archives").exists()
    second.run("dvc", "pull", "-q", "data/archives.dvc")
    store = second.folder / "data/archives"
    files = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in store.rglob("*.zip")}
    assert len(files) == 2 * 10 + 1
    second.run("dvc", "repro", "-f", "pull")
    assert (second.folder / MANIFEST).read_bytes() == (first.folder / MANIFEST).read_bytes()
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in store.rglob("*.zip")} == files, (
        "not drawn again"
    )
    assert "index" in second.repro("index")
    assert "up to date" in second.run("dvc", "status", "data/archives.dvc").stdout
