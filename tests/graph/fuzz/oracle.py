"""What a fresh clone with the same inputs gives, and whether a clone has the same."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.graph.fuzz.inputs import Inputs, Material, outside, put
from tests.graph.fuzz.material import copy_base
from tests.graph.fuzz.processes import flairhub

STANDING = ("data", "models", "reports")
"""Folders of what stands; dvc.lock, which says what made it, comes with them."""

_NOT = ("data/archives/", "data/csv/", "data/examples/")


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in a clone: checksums of all files, and the lock file."""

    files: dict[str, str]
    lock: dict[str, Any]

    def differ(self, wanted: Standing) -> list[str]:
        """What is not as wanted, in words."""
        names = self.files.keys() | wanted.files.keys()
        found = [f"{name}: {_kind(self.files.get(name), wanted.files.get(name))}" for name in sorted(names)]
        found = [line for line in found if not line.endswith(": equal")]
        stages = self.lock.keys() | wanted.lock.keys()
        return found + [f"dvc.lock: {name}" for name in sorted(stages) if self.lock.get(name) != wanted.lock.get(name)]


def standing(clone: Path) -> Standing:
    """What stands now."""
    files = {}
    for top in STANDING:
        for path in sorted((clone / top).rglob("*")):
            name = path.relative_to(clone).as_posix()
            if path.is_file() and path.name not in {".gitignore", ".gitkeep"} and not name.startswith(_NOT):
                files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    lock = clone / "dvc.lock"
    return Standing(files, _sorted((yaml.safe_load(lock.read_text()) or {})["stages"]) if lock.is_file() else {})


@dataclass(frozen=True, slots=True)
class Expected:
    """What a fresh clone gives: its files, or the sentence by which it refuses."""

    standing: Standing | None
    refusal: str


@dataclass(slots=True)
class Oracle:
    """Runs fresh clones, each once: what they give is kept by their inputs and by the code under test."""

    material: Material
    kept: Path
    scratch: Path
    runs: int = 0

    def of(self, inputs: Inputs) -> Expected:
        """What a fresh clone with these inputs gives."""
        path = self.kept / f"{self._code()}-{inputs.key()}.json"
        if path.is_file():
            value = json.loads(path.read_text())
            return Expected(None if value["files"] is None else Standing(value["files"], value["lock"]), value["said"])
        found = self._run(inputs)
        files, lock = (None, None) if found.standing is None else (found.standing.files, found.standing.lock)
        self.kept.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps({"files": files, "lock": lock, "said": found.refusal}, sort_keys=True))
        part.replace(path)
        return found

    def _run(self, inputs: Inputs) -> Expected:
        self.runs += 1
        shutil.rmtree(self.scratch, ignore_errors=True)
        clone = self.scratch / "clone"
        copy_base(self.material, clone)
        put(self.material, clone, inputs)
        done = flairhub(clone, "repro", "--jobs", "1")
        if done.status:
            assert refused(done.output), done.output
            return Expected(None, done.output[-2000:])
        found = standing(clone)
        shutil.rmtree(outside(clone))
        return Expected(found, "")

    def _code(self) -> str:
        digest = hashlib.sha256()
        for top in ("src", "stages", "profiles", "dvc.yaml", "params.yaml", "requirements.lock"):
            base = self.material.base / top
            for path in [base] if base.is_file() else sorted(base.rglob("*")):
                if path.is_file() and path.suffix != ".pyc":
                    digest.update(path.relative_to(self.material.base).as_posix().encode() + path.read_bytes())
        return digest.hexdigest()[:12]


def refused(output: str) -> bool:
    """Whether a failure was said in a sentence, by a stage, by the command or by DVC, and nothing else."""
    said = [line for line in output.splitlines() if ": " in line and not line.startswith(("Running", ">"))]
    return bool(said) and "Traceback" not in output


def _kind(found: str | None, wanted: str | None) -> str:
    if found == wanted:
        return "equal"
    return "missing" if found is None else "superfluous" if wanted is None else "other bytes"


def _sorted(stages: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(stages, sort_keys=True))
