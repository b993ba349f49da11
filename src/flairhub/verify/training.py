"""Level 3: the row trained again, somewhere else, gives the same weights."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import flairhub
from flairhub.compute.devices import find_devices
from flairhub.config.recipe import TRAINED
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace, find_workspace
from flairhub.config.yaml_file import read_yaml
from flairhub.lineage.environment import training_environment
from flairhub.lineage.fingerprint import LOCK, stage_fingerprint, with_file
from flairhub.lineage.keys import file_sha256, seed_keys
from flairhub.records.details import METRICS, two_decimals
from flairhub.records.environment import TrainingEnvironment
from flairhub.records.layout import VALID, WEIGHTS
from flairhub.records.metrics import ValidMetrics
from flairhub.rows.train import TrainingIdentity, TrainingPlace, train_row
from flairhub.verify.findings import Mismatch, NotRunError, Outcome
from flairhub.verify.inference import archives, one_device, other_environment
from flairhub.verify.options import VerifyOptions
from flairhub.verify.row import Subject
from flairhub.weights.checkpoints import tensors_sha256
from flairhub.weights.encoders import encoder_path

_SCRIPT = Path("stages/07_train.py")
_SOURCE = Path(flairhub.__file__).resolve().parents[1]


def repeat_training(
    subject: Subject, options: VerifyOptions, workspace: Workspace, settings: RuntimeSettings
) -> Outcome:
    """Train every seed of a row again in a folder of its own and compare the bytes of the weights.

    Nothing of the row is touched: neither its weights nor its reports nor its resume state.

    Args:
        subject: the row.
        options: how far figures may differ where bytes are not promised to repeat, and where the training's state lies.
        workspace: where the archives lie.
        settings: device; one is used.

    Raises:
        NotRunError: archives are not on this disk, or the code is not that of the receipt.
    """
    inputs = subject.inputs
    if inputs.recipe.weights != TRAINED:
        return Outcome(detail="the row is given its weights; nothing was trained", applies=False)
    _require_code(subject)
    folder = archives(subject.root, inputs, workspace, settings)
    with tempfile.TemporaryDirectory(prefix="flairhub-verify-") as temporary:
        place = _train(subject, folder, options.scratch or Path(temporary), one_device(settings))
        return _judge(subject, place, options.tolerance, settings)


def _require_code(subject: Subject) -> None:
    script = subject.root / _SCRIPT
    fingerprint = stage_fingerprint("train", script, _SOURCE)
    if LOCK.name in subject.evidence["train code"].parts:
        fingerprint = with_file(fingerprint, subject.root / LOCK)
    if fingerprint.sha256 == subject.receipt.code_sha256:
        return
    noted = subject.evidence["train code"].parts
    changed = sorted(
        name for name in noted.keys() | fingerprint.parts.keys() if noted.get(name) != fingerprint.parts.get(name)
    )
    raise NotRunError(
        f"the code here is not that of the receipt ({', '.join(changed[:5]) or 'data/code differs too'}); check out "
        "the commit that made the row, or `dvc repro`"
    )


def _train(subject: Subject, folder: Path, scratch: Path, settings: RuntimeSettings) -> Path:
    files = subject.files
    identity = TrainingIdentity(
        keys=seed_keys(files.inputs, files.train_code),
        inputs_sha256=file_sha256(files.inputs),
        code_sha256=subject.receipt.code_sha256,
    )
    destination = scratch / "models" / subject.row
    train_row(
        files.inputs,
        identity,
        TrainingPlace(
            archives=folder,
            state=scratch / "state",
            destination=destination,
            summary=scratch / "summary" / subject.row,
            encoder=encoder_path(read_yaml(subject.root / "params.yaml"), subject.row, find_workspace(subject.root)),
        ),
        settings,
    )
    return destination


def _judge(subject: Subject, place: Path, tolerance: float, settings: RuntimeSettings) -> Outcome:
    devices = find_devices(one_device(settings))
    here = training_environment(devices, subject.inputs.recipe.train.threads)
    changed: list[str] = []
    wrong: list[Mismatch] = []
    equal = same_tensors = 0
    for number, (seed, files) in enumerate(subject.seeds.items()):
        again = place if number == 0 else place / f"seed-{seed}"
        sums = subject.receipt.of_seed(seed)
        found = file_sha256(again / WEIGHTS)
        equal += found == sums.weights_sha256
        # the weights say what trained them: libraries that touch no last bit change the file, and no tensor
        tensors = found != sums.weights_sha256 and _same_tensors(files.weights, again / WEIGHTS, sums.weights_sha256)
        same_tensors += tensors
        same = tensors or found == sums.weights_sha256
        reasons = _reasons(sums.training_environment, here)
        changed += [reason for reason in reasons if reason not in changed]
        if not same and not reasons:
            name = subject.name(files.weights)
            wrong.append(Mismatch(file=name, cell="sha256", expected=sums.weights_sha256, found=found))
        elif not same:
            wrong += _figures(subject, files.valid, again / VALID, tolerance)
    detail = f"trained again, {equal} of {len(subject.seeds)} weights have the same SHA-256"
    if same_tensors:
        detail += f", {same_tensors} more the same tensors beside other libraries"
    if changed:
        detail += (
            f"; equal bytes are promised only on one class of CPU ({', '.join(changed)}), so OA and mIoU on valid may "
            f"differ by {tolerance:g} points"
        )
    return Outcome(detail=detail, mismatches=wrong)


def _reasons(noted: TrainingEnvironment | None, here: TrainingEnvironment) -> list[str]:
    """Why the training need not repeat bit for bit here."""
    if noted is None:
        return ["the weights do not say what trained them"]
    reasons = list(other_environment(noted, here))
    if noted.devices != here.devices:
        reasons.append(f"{noted.devices} devices -> {here.devices}")
    if here.device_class != "cpu" and not reasons:
        reasons = [f"training on {here.device_class}, some of whose kernels do not repeat"]
    return reasons


def _same_tensors(stored: Path, again: Path, sha256: str) -> bool:
    """Whether the stored weights are those of the receipt and hold the same tensors as those trained again."""
    return stored.is_file() and file_sha256(stored) == sha256 and tensors_sha256(stored) == tensors_sha256(again)


def _figures(subject: Subject, stored: Path, again: Path, tolerance: float) -> Iterator[Mismatch]:
    if not stored.is_file():
        raise NotRunError(f"{subject.name(stored)} is not on this disk to be compared; `dvc pull` fetches it")
    before, after = ValidMetrics.read(stored).valid, ValidMetrics.read(again).valid
    for task, figures in before.items():
        for name in METRICS:
            value, other = getattr(figures, name), getattr(after[task], name)
            undefined = value is None or other is None
            if (value is not other) if undefined else abs(other - value) > tolerance:
                yield Mismatch(
                    file=subject.name(stored),
                    cell=f"valid.{task}.{name}",
                    expected=f"{two_decimals(value)} within {tolerance:g} points",
                    found=two_decimals(other),
                )
