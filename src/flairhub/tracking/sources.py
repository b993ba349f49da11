"""The files of the workspace that runs are made of. No MLflow here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

from flairhub.config.workspace import Workspace
from flairhub.files import canonical_json, replacing
from flairhub.lineage.dvc import entries, file_md5
from flairhub.lineage.keys import file_sha256
from flairhub.records.layout import HISTORY, STEPS, RowFiles, row_files


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """The files of one row that its run shows."""

    root: Path
    """Folder of params.yaml."""
    row: str

    @property
    def layout(self) -> RowFiles:
        """Where the benchmark keeps the row's files."""
        return row_files(self.row, self.root)

    @property
    def histories(self) -> dict[str, Path]:
        """history.csv by part: that of the first seed under the empty name, those of others under `seed-N`.

        None where the weights were released, not trained.
        """
        return self._parts(HISTORY)

    @property
    def steps(self) -> dict[str, Path]:
        """steps.csv by part, as `histories`."""
        return self._parts(STEPS)

    @property
    def examples(self) -> list[tuple[str, Path]]:
        """(task, GeoTIFF) of the predictions that the evaluation kept."""
        paths = sorted(self.layout.examples.glob("*/*.tif"))
        return [(path.parent.name, path) for path in paths]

    def _parts(self, name: str) -> dict[str, Path]:
        model = self.layout.model
        paths = sorted((*model.glob(name), *model.glob(f"seed-*/{name}")))
        return {path.parent.relative_to(model).as_posix().removeprefix("."): path for path in paths}

    def missing(self) -> Path | None:
        """The first file without which there is no run, or None."""
        needed = (self.layout.receipt, self.layout.metrics, self.layout.details)
        return next((path for path in needed if not path.is_file()), None)

    def fingerprint(self, version: int) -> str:
        """Hash of `version` and the small outputs; the receipt stands for inputs, weights and confusion.

        Volatile facts do not enter: two machines that restore the same outputs show the same run.
        """
        layout = self.layout
        curves = (*self.histories.values(), *self.steps.values())
        paths = (layout.receipt, layout.metrics, layout.details, *curves, layout.valid)
        parts = [str(version), *(file_sha256(path) if path.is_file() else "" for path in paths)]
        parts += [f"{task}/{path.name} {file_sha256(path)}" for task, path in self.examples]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def kept_costs(workspace: Workspace, row_key: str, eval_key: str) -> Path:
    """Where the costs of a result are kept once a sync has seen them.

    `runs/ROW/volatile.json` holds those of the present result only, and is gone with an experiment's copy.
    """
    return workspace.state / "tracking" / "volatile" / f"{row_key[:32]}-{eval_key[:32]}.json"


def keep_costs(workspace: Workspace, row: str, row_key: str, eval_key: str) -> None:
    """Keep the costs of the workspace's result of a row."""
    source = row_files(row, workspace.root).costs
    kept = kept_costs(workspace, row_key, eval_key)
    if source.is_file() and not (kept.is_file() and kept.read_bytes() == source.read_bytes()):
        with replacing(kept) as temporary:
            copyfile(source, temporary)


def receipt_md5(stages: Mapping[str, Any], row: str) -> str | None:
    """DVC's checksum of the row's receipt in a lock file; it stands for the row's whole result. None: no result."""
    return entries(stages, f"evaluate@{row}", "outs").get(row_files(row).receipt.as_posix())


def lock_tags(stages: Mapping[str, Any], files: RunFiles) -> dict[str, str]:
    """Hashes of a row's stages in dvc.lock: of the whole entry, and of every output.

    None where the lock file describes another evaluation than the present receipt, as it does between the end of
    a stage and DVC's commit.
    """
    tags: dict[str, str] = {}
    row = files.row
    if receipt_md5(stages, row) != file_md5(files.layout.receipt):
        return tags
    for stage in ("train", "evaluate"):
        entry = stages.get(f"{stage}@{row}")
        if not isinstance(entry, dict):
            continue
        tags[f"dvc.{stage}"] = hashlib.sha256(canonical_json(entry).encode()).hexdigest()
        tags |= {f"dvc.{stage}.out.{path}": md5 for path, md5 in entries(stages, f"{stage}@{row}", "outs").items()}
    return tags
