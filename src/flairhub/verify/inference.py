"""Level 2: inference on some whole regions of the test split repeats the stored confusion of their patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from flairhub.archives.locate import archive_folder
from flairhub.archives.reader import PatchReader
from flairhub.catalog.names import parse_patch_id
from flairhub.compute.devices import find_devices, pin_threads
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.errors import MissingFileError
from flairhub.evaluation.details import scored_tasks
from flairhub.evaluation.robustness import build_robustness
from flairhub.evaluation.variants import variants_of
from flairhub.inference.scoring import Scorer, load_network
from flairhub.lineage.environment import evaluation_environment
from flairhub.records.environment import Environment
from flairhub.records.inputs import RowInputs
from flairhub.records.manifest import read_manifest
from flairhub.records.paper import read_object
from flairhub.verify.agreement import KeptMaps, judge
from flairhub.verify.files import read_tables
from flairhub.verify.findings import NotRunError, Outcome, differences
from flairhub.verify.options import VerifyOptions
from flairhub.verify.recompute import evaluation_params
from flairhub.verify.row import Subject, require_weights


def repeat_inference(
    subject: Subject, seed: int, options: VerifyOptions, workspace: Workspace, settings: RuntimeSettings
) -> Outcome:
    """Infer some regions again.

    Args:
        subject: the row.
        seed: which of the row's trainings.
        options: which regions, and what counts as agreement.
        workspace: where the archives lie.
        settings: device.

    Raises:
        NotRunError: weights or archives are not on this disk.
    """
    files, inputs = subject.seeds[seed], subject.inputs
    weights = require_weights(subject, files)
    folder = archives(subject.root, inputs, workspace, settings)
    chosen = choose_regions(inputs, options)
    part = only_regions(inputs, chosen)
    # In the stored batches: a batch never crosses a region, so those of a region do not depend on the others.
    evaluation = evaluation_params(subject)
    quiet, device, changed = _here(subject, settings)
    network = load_network(part, weights).to(device)
    maps = KeptMaps(subject, files)
    again = Scorer(part, PatchReader(folder), quiet, evaluation)(network, on_prediction=maps.compare)
    stored = subject.evidence["confusion"] if files == subject.files else read_tables(files.confusion)
    outcome = judge(again, stored, subject.name(files.confusion), chosen, changed, options.agreement)
    return outcome if changed else maps.added_to(outcome)


def repeat_robustness(
    subject: Subject, options: VerifyOptions, workspace: Workspace, settings: RuntimeSettings
) -> Outcome:
    """Test the row with less input again: on all regions, for `robustness.json` holds sums over them.

    Raises:
        NotRunError: weights or archives are not on this disk.
    """
    inputs, evaluation = subject.inputs, evaluation_params(subject)
    variants = variants_of(inputs.recipe, evaluation.robustness)
    if options.rois:
        return Outcome(
            detail="figures with less input are sums over all regions: only --rois 0 repeats them", applies=False
        )
    weights = require_weights(subject, subject.files)
    folder = archives(subject.root, inputs, workspace, settings)
    quiet, device, changed = _here(subject, settings)
    if changed:
        raise NotRunError(f"figures with less input are compared exactly, which {', '.join(changed)} does not promise")
    network = load_network(inputs, weights).to(device)
    scorer = Scorer(inputs, PatchReader(folder), quiet, evaluation)
    tables = {variant.name: scorer(network, variant=variant) for variant in variants.tests}
    own = scored_tasks(inputs, subject.evidence["confusion"])
    again = build_robustness(subject.row, own, variants, tables, evaluation)
    return Outcome(
        detail=f"{len(tables)} tests with less input give robustness.json exactly",
        mismatches=list(
            differences(again.values(), subject.evidence["robustness"].values(), subject.name(subject.files.robustness))
        ),
    )


def _here(subject: Subject, settings: RuntimeSettings) -> tuple[RuntimeSettings, torch.device, tuple[str, ...]]:
    """Settings of a quiet process on one device, the device, and what differs from where the row was evaluated."""
    threads = subject.inputs.recipe.train.threads
    quiet = one_device(settings).model_copy(update={"progress": False, "workers": 0})
    devices = find_devices(quiet)
    pin_threads(threads)
    here = evaluation_environment(devices, threads)
    return quiet, devices.device, other_environment(subject.receipt.environment, here)


def one_device(settings: RuntimeSettings) -> RuntimeSettings:
    """The settings with this process alone: nobody joins the shares of several."""
    return settings.model_copy(update={"devices": 1, "num_nodes": 1})


def choose_regions(inputs: RowInputs, options: VerifyOptions) -> tuple[str, ...]:
    """Seeded choice of regions of the test split, sorted."""
    known = sorted({parse_patch_id(patch).roi_key for patch in inputs.splits["test"].patch_ids})
    if options.rois == 0 or options.rois >= len(known):
        return tuple(known)
    drawn = np.random.default_rng(options.seed).choice(len(known), size=options.rois, replace=False)
    return tuple(known[i] for i in sorted(drawn))


def only_regions(inputs: RowInputs, regions: Sequence[str]) -> RowInputs:
    """The inputs with a test split of these regions only."""
    test = inputs.splits["test"]
    kept = [place for place, patch in enumerate(test.patch_ids) if parse_patch_id(patch).roi_key in regions]
    return replace(inputs, splits={**inputs.splits, "test": test.take(np.array(kept, dtype=np.int64))})


def archives(root: Path, inputs: RowInputs, workspace: Workspace, settings: RuntimeSettings) -> Path:
    """Folder of the archives that a row reads.

    Raises:
        NotRunError: the manifest or an archive is not on this disk.
    """
    hint = "`flairhub pull` fetches or draws them"
    path = root / "data" / "manifest.json"
    if not path.is_file():
        raise NotRunError("data/manifest.json is not on this disk; `dvc pull data/manifest.json` fetches it")
    read_object(path, "dvc repro pull")
    try:
        folder = archive_folder(read_manifest(path).source, workspace, settings)
    except MissingFileError as error:
        raise NotRunError(str(error)) from None
    absent = [n for n in inputs.archives if not ((folder / f"{n}.zip").is_file() or (folder / n).is_dir())]
    if absent:
        raise NotRunError(f"{len(absent)} archives that the row reads are not on this disk, e.g. {absent[0]}; {hint}")
    return folder


def other_environment(noted: Environment, here: Environment) -> tuple[str, ...]:
    """What differs between an environment of the receipt and this one, of what can change last bits."""
    before, now = _decisive(noted), _decisive(here)
    return tuple(f"{name} {before[name]} -> {value}" for name, value in now.items() if before[name] != value)


def _decisive(environment: Environment) -> dict[str, str | int | None]:
    return {
        "device_class": environment.device_class,
        "machine": environment.machine,
        "threads": environment.threads,
        "torch": environment.libraries.get("torch"),
    }
