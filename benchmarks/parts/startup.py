"""From the start of a process to its first step, and a graph in which nothing is to be done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import drawn
import torch
from measured import Measurement, compared, cpu_of, in_turns

from flairhub.config.profiles import profile_text
from flairhub.config.reader import parse_params, read_yaml
from flairhub.lineage.fingerprint import stage_fingerprint
from flairhub.lineage.keys import file_sha256
from flairhub.models.build import build_network, network_spec
from flairhub.records.environment import TrainingEnvironment
from flairhub.records.inputs import RowInputs, write_inputs
from flairhub.records.layout import row_files
from flairhub.records.manifest import ArchiveEntry, Manifest, write_manifest
from flairhub.records.plan import evaluation_plan, write_plan
from flairhub.weights.checkpoints import save_weights
from flairhub.weights.of_row import row_contract

ROW = "LC-A"
STOP = """
import os, runpy, sys
stages, script = sys.argv[1:3]
sys.path.insert(0, stages)
sys.argv = [os.path.join(stages, script), "--id", "LC-A"]
import _stage
from flairhub.models.network import SegmentationNetwork
SegmentationNetwork.forward = lambda *arguments, **named: os._exit(7)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a stage until its network sees the first batch, and says so by its status."""
SCRIPTS = {"train": "07_train.py", "evaluate": "08_evaluate.py"}
IMPORTS = "import torch, lightning.pytorch"


def first_step(data: drawn.Drawn, stage: str, goal: str, rounds: int = 3) -> Measurement:
    """Processor time of a stage before its first step, its archives already known."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        settings = {"DATA": str(data.folder), "ACCELERATOR": "cpu", "WORKERS": "0", "PROGRESS": "0", "DEVICES": "1"}
        environment = {f"FLAIRHUB_{key}": value for key, value in settings.items()}
        _row(folder, data)
        command = [sys.executable, "-c", STOP, str(drawn.ROOT / "stages"), SCRIPTS[stage]]
        imports = [sys.executable, "-c", IMPORTS]
        pairs = in_turns(
            lambda: cpu_of(command, folder, environment, status=7), lambda: cpu_of(imports, folder), rounds
        )
    return compared(pairs, unit="CPU s", against="import of torch and Lightning", goal=goal)


def _row(folder: Path, data: drawn.Drawn) -> RowInputs:
    """All that the stages of a row read, in an empty folder."""
    text = profile_text(drawn.ROOT / "profiles", "local", sets=["model.mono.encoder_weights=null"])
    (folder / "params.yaml").write_text(text)
    files = row_files(ROW, folder)
    inputs = data.inputs(drawn.recipe(ROW))
    archives = {name: file_sha256(data.folder / f"{name}.zip") for name in inputs.archives}
    inputs = drawn.replace(inputs, archives=archives, gsd_m={"AERIAL_RGBI": 0.2})
    write_inputs(files.inputs, inputs)
    for path, stage in ((files.train_code, "train"), (files.evaluate_code, "evaluate")):
        stage_fingerprint(stage, drawn.ROOT / "stages" / SCRIPTS[stage], drawn.ROOT / "src").write(path)
    entries = tuple(
        ArchiveEntry(name=n, kind="zip", size=(data.folder / f"{n}.zip").stat().st_size, sha256=sha256, revision=None)
        for n, sha256 in archives.items()
    )
    write_manifest(folder / "data/manifest.json", Manifest(source={"kind": "local"}, archives=entries))
    write_plan(files.plan, evaluation_plan(parse_params(read_yaml(folder / "params.yaml"), "benchmark"), ROW))
    trained = TrainingEnvironment(
        python="", machine="", libraries={"torch": torch.__version__}, device_class="cpu", threads=1, devices=1
    )
    contract = row_contract(inputs, key="k", data_sha256="d", code_sha256="c", environment=trained)
    save_weights(build_network(network_spec(inputs), load_weights=False), files.weights, contract)
    return inputs


def noop_repro(rounds: int = 3) -> Measurement:
    """`dvc repro` of the whole graph of 24 rows with nothing to do, against DVC on a graph of one stage."""
    with tempfile.TemporaryDirectory() as place:
        whole, least = Path(place) / "whole", Path(place) / "least"
        _committed(whole)
        _least(least)
        command = [sys.executable, "-m", "dvc", "repro", "-q"]
        pairs = in_turns(lambda: cpu_of(command, whole), lambda: cpu_of(command, least), rounds)
    return compared(pairs, unit="CPU s", against="the same with one stage that does nothing", goal="< 2 s")


def _committed(folder: Path) -> None:
    """A copy of this repository whose outputs are small made-up files that its lock names."""
    listed = subprocess.run(["git", "ls-files"], cwd=drawn.ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.splitlines():
        if name.startswith("tests/") or not (drawn.ROOT / name).is_file():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(drawn.ROOT / name, folder / name)
    _git(folder)
    paths = subprocess.run([sys.executable, "-c", PATHS], cwd=folder, check=True, capture_output=True, text=True).stdout
    for line in paths.splitlines():
        path = folder / line
        if not path.exists():
            path = path / "made-up" if not path.suffix else path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
    _run(["dvc", "commit", "-q", "-f"], folder)


PATHS = """
from dvc.repo import Repo
repo = Repo()
for stage in repo.index.stages:
    for each in [*stage.outs, *stage.deps]:
        print(each.fs_path if each.fs_path.startswith(repo.root_dir) else "")
"""


def _least(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    (folder / "dvc.yaml").write_text("stages:\n  a:\n    cmd: cp a.txt b.txt\n    deps: [a.txt]\n    outs: [b.txt]\n")
    _git(folder)
    _run(["dvc", "init", "-q"], folder)
    _run(["dvc", "repro", "-q"], folder)


def _git(folder: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)


def _run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    subprocess.run([sys.executable, "-m", *command], cwd=folder, env=environment, check=True)
