"""Level 3: the row trained again, somewhere else, gives the same weights."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import flairhub
from flairhub.compute.devices import find_devices
from flairhub.config.recipe import TRAINED
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.lineage.fingerprint import stage_fingerprint
from flairhub.lineage.keys import file_sha256, seed_keys
from flairhub.records.inputs import RowInputs
from flairhub.rows.train import VALID, WEIGHTS, TrainingIdentity, TrainingPlace, train_row
from flairhub.verify.files import read_document
from flairhub.verify.findings import Mismatch, NotRunError, Outcome
from flairhub.verify.inference import archives, one_device, other_environment
from flairhub.verify.row import Subject

_SCRIPT = Path("stages/07_train.py")
_SOURCE = Path(flairhub.__file__).resolve().parents[1]


def repeat_training(
    subject: Subject, tolerance: float, workspace: Workspace, settings: RuntimeSettings, *, scratch: Path | None = None
) -> Outcome:
    """Train every seed of a row again in a folder of its own and compare the bytes of the weights.

    Nothing of the row is touched: neither its weights nor its reports nor its resume state.

    Args:
        subject: the row.
        tolerance: percentage points by which OA and mIoU on valid may differ where bytes are not promised to repeat.
        workspace: where the archives lie.
        settings: device; one is used.
        scratch: folder that keeps the state of the training, so that an interrupted verification goes on there; None:
            a temporary folder.

    Raises:
        NotRunError: archives are not on this disk, or the code is not that of the receipt.
    """
    receipt, inputs = subject.evidence["receipt"], subject.evidence["inputs"]
    if inputs.recipe.weights != TRAINED:
        return Outcome(detail="the row is given its weights; nothing was trained", applies=False)
    _require_code(subject, receipt)
    folder = archives(subject.root, inputs, workspace, settings)
    with tempfile.TemporaryDirectory(prefix="flairhub-verify-") as temporary:
        place = _train(subject, receipt, folder, scratch or Path(temporary), one_device(settings))
        return _judge(subject, receipt, inputs, place, tolerance, settings)


def _require_code(subject: Subject, receipt: Mapping[str, Any]) -> None:
    script = subject.root / _SCRIPT
    found = stage_fingerprint("train", script, _SOURCE)
    if found.sha256 == receipt["code_sha256"]:
        return
    noted = subject.evidence["train code"].get("parts", {})
    changed = sorted(name for name in noted.keys() | found.parts.keys() if noted.get(name) != found.parts.get(name))
    raise NotRunError(
        f"the code here is not that of the receipt ({', '.join(changed[:5]) or 'data/code differs too'}); check out "
        "the commit that made the row, or `dvc repro`"
    )


def _train(
    subject: Subject, receipt: Mapping[str, Any], folder: Path, scratch: Path, settings: RuntimeSettings
) -> Path:
    files = subject.files
    identity = TrainingIdentity(
        keys=seed_keys(files.inputs, files.train_code),
        inputs_sha256=file_sha256(files.inputs),
        code_sha256=str(receipt["code_sha256"]),
    )
    destination = scratch / "models" / subject.row
    train_row(
        files.inputs,
        identity,
        TrainingPlace(
            archives=folder, state=scratch / "state", destination=destination, summary=scratch / "summary" / subject.row
        ),
        settings,
    )
    return destination


def _judge(
    subject: Subject,
    receipt: Mapping[str, Any],
    inputs: RowInputs,
    place: Path,
    tolerance: float,
    settings: RuntimeSettings,
) -> Outcome:
    devices = find_devices(one_device(settings))
    changed = list(other_environment(receipt["environment"], devices.device_class, inputs.recipe.train.threads))
    if devices.accelerator != "cpu" and not changed:
        changed = [f"training on {devices.device_class}, some of whose kernels do not repeat"]
    wrong: list[Mismatch] = []
    equal = 0
    for number, (seed, files) in enumerate(subject.seeds.items()):
        again = place if number == 0 else place / f"seed-{seed}"
        expected = str(receipt["weights_sha256"]) if number == 0 else _sha256(files.weights)
        found = file_sha256(again / WEIGHTS)
        equal += found == expected
        if found != expected and not changed:
            wrong.append(Mismatch(file=subject.name(files.weights), cell="sha256", expected=expected, found=found))
        elif found != expected:
            wrong += _figures(subject, files.model / VALID, again / VALID, tolerance)
    total = len(subject.seeds)
    if not changed:
        return Outcome(detail=f"trained again, {equal} of {total} weights have the same SHA-256", mismatches=wrong)
    return Outcome(
        detail=f"trained again, {equal} of {total} weights have the same SHA-256; equal bytes are promised only on one "
        f"class of CPU ({', '.join(changed)}), so OA and mIoU on valid may differ by {tolerance:g} points",
        mismatches=wrong,
    )


def _sha256(path: Path) -> str:
    return file_sha256(path) if path.is_file() else "no file"


def _figures(subject: Subject, stored: Path, again: Path, tolerance: float) -> Iterator[Mismatch]:
    if not stored.is_file():
        raise NotRunError(f"{subject.name(stored)} is not on this disk to be compared; `dvc pull` fetches it")
    before, after = read_document(stored)["valid"], read_document(again)["valid"]
    for task, figures in before.items():
        for name, value in figures.items():
            if abs(after[task][name] - value) > tolerance:
                yield Mismatch(
                    file=subject.name(stored),
                    cell=f"valid.{task}.{name}",
                    expected=f"{value:.2f} within {tolerance:g} points",
                    found=f"{after[task][name]:.2f}",
                )
