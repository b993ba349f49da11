"""Repositories for tests, written through the classes that the stages use.

`evaluated_row` leaves all files of a row with invented figures: nothing is trained, nothing is inferred.
`small_row` leaves what `evaluate_row` reads: tiny archives, and a network with random weights.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.drawn_rows import PATCHES, ROOT, Row, make_recipe, make_row

from flairhub.catalog.taxonomies import Taxonomy, taxonomy
from flairhub.config.params import Params
from flairhub.config.profiles import profile_text
from flairhub.config.reader import parse_params, read_yaml
from flairhub.config.resolve import merged, row_recipe
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.training import EvaluateParams, RobustnessParams
from flairhub.config.yaml_file import parse_yaml
from flairhub.evaluation.confusion import ConfusionBuilder, ConfusionTable
from flairhub.evaluation.confusion_file import write_confusion
from flairhub.evaluation.details import ScoredTask, build_details, row_metrics
from flairhub.evaluation.spread import with_spread
from flairhub.files import write_json
from flairhub.lineage.keys import file_sha256
from flairhub.models.build import build_network, network_spec
from flairhub.records.code import Fingerprint
from flairhub.records.costs import RowCosts, StageCosts
from flairhub.records.details import Details, TaskMetrics
from flairhub.records.environment import EvaluationEnvironment, TrainingEnvironment
from flairhub.records.history import Epoch, History
from flairhub.records.inputs import write_inputs
from flairhub.records.inputs_file import SPLITS, InputsFile, SplitColumns
from flairhub.records.layout import RowFiles, row_files
from flairhub.records.manifest import ArchiveEntry, Manifest, write_manifest
from flairhub.records.metrics import ValidMetrics
from flairhub.records.plan import evaluation_plan, unknown_choices, write_plan
from flairhub.records.receipt import Receipt, SeedSums
from flairhub.records.robustness import Robustness
from flairhub.rows.evaluate import evaluate_row
from flairhub.rows.train import with_seed
from flairhub.weights.checkpoints import save_weights
from flairhub.weights.of_row import row_contract

SETTINGS = RuntimeSettings(workers=0, accelerator="cpu", devices=1, progress=False)
EVALUATION = EvaluateParams(
    batch_size=1,
    write_predictions=False,
    examples=0,
    resamples=2000,
    confidence=0.95,
    min_clusters=10,
    seed=3,
    robustness=RobustnessParams(mask="none", dates=()),
)
TRAINED_ON = TrainingEnvironment(
    python="3.11.7", machine="x86_64", libraries={"torch": "2.14.1"}, device_class="cpu", threads=1, devices=1
)
EVALUATED_ON = EvaluationEnvironment(
    python="3.11.7", machine="x86_64", libraries={"torch": "2.14.1"}, device_class="cpu", threads=1, lock_sha256=None
)
ARCHIVE = ArchiveEntry(name="D001-2020_AERIAL_RGBI", kind="zip", size=7, sha256="a" * 64, revision=None)


def epoch(number: int, step: int, rate: float, loss: float | None, **valid: float) -> Epoch:
    """One line of a history; `valid` by the end of its column, e.g. `miou=31.5`."""
    figures = {f"valid.{name}": value for name, value in valid.items()}
    return Epoch(epoch=number, step=step, learning_rate=rate, train_loss=loss, valid=figures)


HISTORY = History(
    epochs=(epoch(0, 10, 0.001, 2.5), epoch(1, 20, 0.0005, 1.25, miou=31.5), epoch(2, 30, 0.0001, None, miou=33.0))
)


def sha256(text: str) -> str:
    """Stands for the checksum or the key of something that has a name."""
    return hashlib.sha256(text.encode()).hexdigest()


def sample_params(
    profile: str = "sample", rows: dict[str, Any] | None = None, name: str | None = None, **changes: Any
) -> Params:
    """Parameters of a profile, with other rows or sections, under another name."""
    values = parse_yaml(profile_text(ROOT / "profiles", profile), profile)
    if rows is not None:
        values["rows"] = rows
    return parse_params(values | changes | ({} if name is None else {"profile": name}), "test")


def invented(task: str, accuracy: float = 70.0, seed: int = 0, level: int = 1) -> ConfusionTable:
    """A confusion of 30 regions in 3 domains, with this share of right pixels; labels do not depend on the seed."""
    num_classes = taxonomy(task, level).num_classes
    names = [f"D{d:03d}-2020_{'AUNF'[i % 4]}U-S1-{i}_1-1" for d in (12, 68, 83) for i in range(10)]
    shape = (len(names), 24, 24)
    truth = (num_classes * np.random.default_rng(1).random(shape) ** 2).astype(np.uint8)
    own = np.random.default_rng(seed)
    prediction = np.where(own.random(shape) < accuracy / 100, truth, own.integers(0, num_classes, shape))
    builder = ConfusionBuilder(task, num_classes)
    builder.add(names, truth, prediction.astype(np.uint8))
    return builder.table()


def scored_task(table: ConfusionTable) -> ScoredTask:
    """A table with the classes that its nomenclature scores."""
    kinds = _taxonomy(table)
    return ScoredTask(taxonomy=kinds, scored=kinds.scored, confusion=table)


def _taxonomy(table: ConfusionTable) -> Taxonomy:
    levels = (1,) if "COSIA" in table.task else (1, 2, 3)
    return next(kinds for level in levels if (kinds := taxonomy(table.task, level)).num_classes == table.num_classes)


def bare_weights(key: str, content: str = "") -> Callable[[Path, int], None]:
    """A weights file of a header with the key of its training, and nothing that a network could load."""

    def write(path: Path, seed: int) -> None:
        del seed
        header = json.dumps({"__metadata__": {"row_key": key}}).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(len(header).to_bytes(8, "little") + header + content.encode())

    return write


def cached(cache: Path, content: bytes, suffix: str = "") -> str:
    """Put bytes into a cache of DVC; returns the name that it has for them, for a list of files with `.dir`."""
    md5 = hashlib.md5(content).hexdigest() + suffix
    path = cache / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return md5


def bare_inputs(recipe: Mapping[str, Any]) -> InputsFile:
    """The file of a row's inputs, without patches: enough for a key."""
    return InputsFile(
        row=recipe["row"], recipe=recipe, statistics={}, sizes={}, gsd_m={}, archives={}, weights_file=None,
        weights_sha256=None, encoder_sha256=None, initial_sha256=None,
        splits={split: SplitColumns(patches=0, columns={}) for split in SPLITS},
    )  # fmt: skip


def evaluated_row(
    root: Path,
    row: str = "LC-A",
    *,
    params: Params | None = None,
    tables: Mapping[int, Sequence[ConfusionTable]] | None = None,
    evaluation: EvaluateParams = EVALUATION,
    history: History = HISTORY,
    valid: Mapping[str, TaskMetrics] | None = None,
    weights: Callable[[Path, int], None] | None = None,
    change: Callable[[Details], Details] = lambda details: details,
    **receipt: Any,
) -> RowFiles:
    """Every file that the training and the evaluation of a row leave.

    Args:
        root: the repository.
        row: identifier.
        params: of the repository; None: the sample profile.
        tables: seed -> confusion of each task; None: invented ones of the row's tasks and seeds.
        evaluation: of the intervals.
        history: of every training.
        valid: task -> figures of the validation; None: 70 and 33 percent.
        weights: writes a file of a seed; None: bare ones with the row's key.
        change: of the figures, e.g. to an undefined one.
        receipt: fields that are other than those that follow from the files.
    """
    params = sample_params() if params is None else params
    recipe = {**row_recipe(params, row).model_dump(mode="json"), **receipt.pop("recipe", {})}
    seeds = recipe["seeds"]
    if tables is None:
        tables = {seed: [invented(task, seed=seed) for task in recipe["tasks"]] for seed in seeds}
    files = row_files(row, root)
    places = {seed: files if seed == seeds[0] else files.of_seed(seed) for seed in tables}
    key = receipt.get("row_key", sha256(row))
    by_seed: dict[int, Details] = {}
    for seed, place in places.items():
        tasks = [scored_task(table) for table in tables[seed]]
        by_seed[seed] = build_details(row, tasks, tables[seed][0].patches, evaluation)
        write_confusion(place.confusion, tables[seed])
        (weights or bare_weights(key))(place.weights, seed)
        history.write(place.history)
        figures = dict.fromkeys(recipe["tasks"], TaskMetrics(oa=70.0, miou=33.0)) if valid is None else valid
        ValidMetrics(epoch=2, valid=figures).write(place.valid)
        by_seed[seed].write(place.details)
    whole = change(with_spread(by_seed))
    whole.write(files.details)
    row_metrics(whole).write(files.metrics)
    Robustness(row=row, not_applicable=(), variants=()).write(files.robustness)
    sums = {
        seed: SeedSums(
            weights_sha256=file_sha256(place.weights),
            confusion_sha256=file_sha256(place.confusion),
            details_sha256=file_sha256(place.details),
            training_environment=TRAINED_ON,
            adoptions=(),
        )
        for seed, place in places.items()
    }
    first = sums[seeds[0]]
    fields: dict[str, Any] = {
        "row": row,
        "profile": params.profile,
        "row_key": key,
        "eval_key": sha256(f"eval {key}"),
        "seeds": {seeds[0]: key} | {seed: sha256(f"{row} {seed}") for seed in seeds[1:]},
        "inputs_sha256": "b" * 64,
        "code_sha256": "c" * 64,
        "evaluate_code_sha256": "d" * 64,
        "weights_sha256": first.weights_sha256,
        "confusion_sha256": first.confusion_sha256,
        "details_sha256": first.details_sha256,
        "robustness_sha256": file_sha256(files.robustness),
        "predictions_sha256": None,
        "further_seeds": {seed: sums[seed] for seed in seeds[1:]},
        "archives": {ARCHIVE.name: ARCHIVE.sha256},
        "split_sha256": {"train": "1" * 64, "valid": "2" * 64, "test": "3" * 64},
        "statistics_sha256": "4" * 64,
        "parameters": 89_400_000,
        "patches": {"train": 5, "valid": 2, "test": whole.n_scored},
        "recipe": recipe,
        "evaluation": evaluation.model_dump(mode="json"),
        "training_environment": TRAINED_ON,
        "adoptions": (),
        "environment": EVALUATED_ON,
        "unknown_choices": unknown_choices(params.provenance, recipe),
    }
    Receipt(**{**fields, **receipt}).write(files.receipt)
    _write_costs(files.costs)
    return files


def _write_costs(path: Path) -> None:
    def stage(start: int, end: int, memory: int) -> StageCosts:
        seconds = (end - start) / 1000
        return StageCosts(start_ms=start, end_ms=end, seconds=seconds, peak_memory_mb=memory, peak_memory_children_mb=1)

    train = stage(1_700_000_000_000, 1_700_000_050_000, 512)
    evaluate = stage(1_700_000_055_000, 1_700_000_060_000, 256)
    RowCosts(
        train=train,
        evaluate=evaluate,
        start_ms=train.start_ms,
        end_ms=evaluate.end_ms,
        host="node1",
        git_commit="abc123",
        git_dirty=False,
    ).write(path)


SIZES = dict.fromkeys(("AERIAL_RGBI", "DEM_ELEV", "SPOT_RGBI", "AERIAL_LABEL-COSIA", "ALL_LABEL-LPIS"), (32, 32))


@dataclass(frozen=True, kw_only=True)
class SmallRow:
    """All that `evaluate_row` reads."""

    row: Row
    params: Params
    files: RowFiles
    archives: Path

    def evaluate(self) -> SmallRow:
        """Write what an evaluation of the row writes."""
        evaluate_row(evaluation_plan(self.params, "X"), self.files, self.archives, SETTINGS)
        return self


def small_row(
    folder: Path,
    modalities: tuple[str, ...] = ("AERIAL_RGBI", "DEM_ELEV", "SENTINEL2_TS"),
    *,
    patches: dict[str, list[str]] = PATCHES,
    **overrides: Any,
) -> SmallRow:
    """The row `X` under `folder`; every seed has its own random weights. `overrides` are sections of parameters."""
    changes = {"tasks": ["AERIAL_LABEL-COSIA"], "modalities": list(modalities)} | overrides.pop("row", {})
    recipe = make_recipe("X", **overrides, rows={"X": changes})
    sizes = {name: size for name, size in SIZES.items() if name in {*recipe.modalities, *recipe.tasks}}
    made = make_row(folder / "archives", recipe, sizes=sizes, patches=patches)
    made = replace(made, inputs=replace(made.inputs, gsd_m=dict.fromkeys(recipe.modalities, 0.2)))
    files = row_files("X", folder)
    write_inputs(files.inputs, made.inputs)
    for path in (files.train_code, files.evaluate_code):
        Fingerprint(stage=path.stem, sha256=path.stem, parts={}).write(path)
    for number, seed in enumerate(recipe.seeds):
        torch.manual_seed(seed)
        network = build_network(network_spec(made.inputs), load_weights=False)
        place = files if number == 0 else files.of_seed(seed)
        contract = row_contract(
            with_seed(made.inputs, seed), key="k", data_sha256="d", code_sha256="c", environment=TRAINED_ON
        )
        save_weights(network, place.weights, contract)
        figures = dict.fromkeys(recipe.tasks, TaskMetrics(oa=1.0, miou=2.0))
        ValidMetrics(epoch=1, valid=figures).write(place.valid)
    evaluate = {"resamples": 20} | overrides.pop("evaluate", {})
    values = read_yaml(ROOT / "profiles" / "sample.yaml")
    values = merged(values, overrides | {"evaluate": evaluate, "rows": {"X": changes}})
    return SmallRow(row=made, params=parse_params(values, "test"), files=files, archives=folder / "archives")


def write_repository(small: SmallRow) -> Path:
    """Parameters and a manifest beside the row's files, as stages and commands read them; returns the folder."""
    folder = small.archives.parent
    params = small.params.model_dump(mode="json")
    params["rows"] = {"X": params["rows"]["X"]}
    write_json(folder / "params.yaml", params)  # JSON is YAML
    write_plan(small.files.plan, evaluation_plan(small.params, "X"))
    write_manifest(folder / "data" / "manifest.json", Manifest({"kind": "local"}, ()))
    return folder


def run_stage(small: SmallRow, stage: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a stage script on the row, in its folder, as DVC does.

    Args:
        small: the row.
        stage: e.g. `08_evaluate`.
        environment: variables, e.g. FLAIRHUB_DEVICES="2".
    """
    folder = write_repository(small)
    settings = {"DATA": str(small.archives), "ACCELERATOR": "cpu", "WORKERS": "0", "PROGRESS": "0", "DEVICES": "1"}
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH" and not k.startswith(("DVC_", "FLAIRHUB_"))}
    return subprocess.run(
        [sys.executable, str(ROOT / "stages" / f"{stage}.py"), "X"],
        cwd=folder,
        env=kept | {f"FLAIRHUB_{name}": value for name, value in settings.items()} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
