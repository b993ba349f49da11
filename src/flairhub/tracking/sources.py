"""The files of the workspace that runs are made of, read and checked. No MLflow here."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.benchmark.keys import file_sha256
from flairhub.files import canonical_json, read_json
from flairhub.tracking.errors import TrackingError

REQUIRED = ("row", "row_key", "eval_key", "inputs_sha256", "code_sha256", "weights_sha256", "confusion_sha256")
"""Keys without which a receipt identifies nothing."""

_SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFiles:
    """Where one row's files lie, relative to the folder of params.yaml."""

    root: Path
    row: str

    @property
    def inputs(self) -> Path:
        """Everything the row depends on."""
        return self.root / "data" / "inputs" / f"{self.row}.json"

    @property
    def model(self) -> Path:
        """Folder of the training's outputs."""
        return self.root / "models" / self.row

    @property
    def weights(self) -> Path:
        """Weights of the chosen epoch."""
        return self.model / "model.safetensors"

    @property
    def histories(self) -> dict[str, Path]:
        """history.csv by part: one under the empty name, or one per folder where several seeds are trained.

        None where the weights were released, not trained.
        """
        paths = sorted((*self.model.glob("history.csv"), *self.model.glob("*/history.csv")))
        return {path.parent.relative_to(self.model).as_posix().removeprefix("."): path for path in paths}

    @property
    def valid(self) -> Path:
        """Figures on the validation split."""
        return self.model / "valid.json"

    @property
    def report(self) -> Path:
        """Folder of the evaluation's outputs."""
        return self.root / "reports" / "rows" / self.row

    @property
    def metrics(self) -> Path:
        """Lean figures."""
        return self.report / "metrics.json"

    @property
    def details(self) -> Path:
        """All figures."""
        return self.report / "details.json"

    @property
    def receipt(self) -> Path:
        """What was evaluated, by hash."""
        return self.report / "receipt.json"

    @property
    def volatile(self) -> Path:
        """Times, memory, host, git state."""
        return self.root / "runs" / self.row / "volatile.json"

    def missing(self) -> Path | None:
        """The first file without which there is no run, or None."""
        needed = (self.inputs, self.receipt, self.metrics, self.details)
        return next((path for path in needed if not path.is_file()), None)

    def fingerprint(self, version: int) -> str:
        """Hash of the small files and of `version`; the receipt stands for inputs, weights and confusion."""
        paths = (self.receipt, self.metrics, self.details, *self.histories.values(), self.valid, self.volatile)
        parts = [str(version), *(file_sha256(path) if path.is_file() else "" for path in paths)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFacts:
    """One split of a row's inputs."""

    num_patches: int
    digest: str
    """SHA-256 of everything the inputs say about the split's patches: identifiers, checksums, dates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFacts:
    """What a run shows of `data/inputs/<ROW>.json`."""

    recipe: dict[str, Any]
    splits: dict[str, SplitFacts]


def read_receipt(path: Path, row: str) -> dict[str, Any]:
    """Read a receipt; keys beyond the required ones are kept.

    Raises:
        TrackingError: it is not a JSON object, lacks a required key or belongs to another row.
    """
    receipt = read_object(path)
    lacking = [key for key in REQUIRED if not isinstance(receipt.get(key), str) or not receipt[key]]
    if lacking:
        raise TrackingError(
            f"{path}: expected the keys {', '.join(REQUIRED)} with texts, but {', '.join(lacking)} is lacking; "
            f"run `dvc repro evaluate@{row}`."
        )
    if receipt["row"] != row:
        raise TrackingError(f"{path}: expected the receipt of {row}, but got that of {receipt['row']}.")
    return receipt


def read_inputs_facts(path: Path) -> InputFacts:
    """Read the recipe and the splits of a row's inputs.

    The splits are only counted and hashed: building every patch of the whole set would take minutes.

    Raises:
        TrackingError: the file does not hold a recipe and splits.
    """
    value = read_object(path)
    recipe, splits = value.get("recipe"), value.get("splits")
    if not isinstance(recipe, dict) or not isinstance(splits, dict):
        raise TrackingError(f"{path}: expected `recipe` and `splits`, but got {sorted(value)}; run the resolve stage.")
    facts = {}
    for name in _SPLITS:
        columns = splits.get(name)
        if not isinstance(columns, dict) or not isinstance(columns.get("patch_id"), list):
            raise TrackingError(f"{path}: expected columns with `patch_id` in {name}; run the resolve stage.")
        digest = hashlib.sha256(canonical_json(_self_contained(columns, value)).encode()).hexdigest()
        facts[name] = SplitFacts(num_patches=len(columns["patch_id"]), digest=digest)
    return InputFacts(recipe=recipe, splits=facts)


def _self_contained(columns: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """A split's columns whose tables of dates hold what this split uses, whatever the other splits use."""
    found: dict[str, Any] = {"patch_id": columns["patch_id"], "crc32": columns.get("crc32")}
    for column, table in (("dates", "calendars"), ("rejected_dates", "rejections")):
        positions: dict[str, list[int]] = columns.get(column) or {}
        used = sorted({position for values in positions.values() for position in values})
        rank = {position: number for number, position in enumerate(used)}
        found[column] = {series: [rank[position] for position in values] for series, values in positions.items()}
        found[table] = [inputs[table][position] for position in used]
    return found


def read_history(path: Path) -> list[dict[str, str]]:
    """The lines of history.csv as texts by column."""
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def read_object(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: the file.
        optional: an absent file is an empty object.

    Raises:
        TrackingError: it is not a JSON object.
    """
    if optional and not path.is_file():
        return {}
    try:
        value = read_json(path)
    except ValueError as error:
        raise TrackingError(f"{path}: expected JSON, but got: {error}. Make it again with `dvc repro`.") from None
    if not isinstance(value, dict):
        raise TrackingError(f"{path}: expected a JSON object, but got {type(value).__name__}.")
    return value


def weights_key(path: Path) -> str | None:
    """The `row_key` in the metadata of a safetensors file, read without its tensors; None if there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if length > path.stat().st_size:
            return None
        header = json.loads(handle.read(length))
    found = header.get("__metadata__", {}).get("row_key")
    return str(found) if found else None


def read_lock(root: Path) -> dict[str, Any]:
    """The stages of dvc.lock by name; none where there is no lock file.

    Raises:
        TrackingError: it is not YAML, for instance because of conflict marks.
    """
    import yaml

    path = root / "dvc.lock"
    if not path.is_file():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe loader, the faster one
    except yaml.YAMLError as error:
        raise TrackingError(f"{path}: expected YAML, but got: {error}. Remove it and run `dvc repro`.") from None
    stages = value.get("stages") if isinstance(value, dict) else None
    return stages if isinstance(stages, dict) else {}


def lock_tags(stages: Mapping[str, Any], files: RowFiles) -> dict[str, str]:
    """Hashes of a row's stages in dvc.lock: of the whole entry, and of every output.

    None where the lock file describes another evaluation than the present receipt, as it does between the end of
    a stage and DVC's commit.
    """
    tags: dict[str, str] = {}
    row = files.row
    with files.receipt.open("rb") as handle:
        present = hashlib.file_digest(handle, "md5").hexdigest()
    outs = (stages.get(f"evaluate@{row}") or {}).get("outs", ())
    receipt = files.receipt.relative_to(files.root).as_posix()
    if not any(out["path"] == receipt and out.get("md5") == present for out in outs):
        return tags
    for stage in ("train", "evaluate"):
        entry = stages.get(f"{stage}@{row}")
        if not isinstance(entry, dict):
            continue
        tags[f"dvc.{stage}"] = hashlib.sha256(canonical_json(entry).encode()).hexdigest()
        for out in entry.get("outs", ()):
            if "md5" in out:
                tags[f"dvc.{stage}.out.{out['path']}"] = str(out["md5"])
    return tags
