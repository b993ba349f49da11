"""The model registry: one registered model per profile and row, one version per distinct weights.

A version points to the folder `model/` among its run's artifacts: address, checksum and size of the weights, which
stay in the repository and in DVC's cache. The file itself is copied there only where it is small enough for the
setting `tracking_weights_mb`. `best` is chosen by the validation split alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flairhub.tracking import names
from flairhub.tracking.store import Store, pages

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

BEST = "best"
"""Alias of the version with the highest mean IoU on the validation split."""
SCORE = "valid.miou"
"""Tag of a version: its mean IoU on the validation split, percent, mean over the row's tasks."""
WEIGHTS = "weights_sha256"
ROW_KEY = "row_key"


def valid_score(metrics: Mapping[str, float]) -> float | None:
    """Mean IoU on the validation split, percent, mean over tasks; None where there is none."""
    parts = {name: name.split("/") for name in metrics}
    scores = [metrics[name] for name, path in parts.items() if (path[0], path[-1], len(path)) == ("valid", "miou", 3)]
    return sum(scores) / len(scores) if scores else None


def register(store: Store, runs: Iterable[Run]) -> None:
    """Make a version of every run's weights, unless there is one, and let `best` point to the best of each row.

    Args:
        store: the store.
        runs: finished runs, as the store shows them.
    """
    by_model: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_model[names.model_name(run.data.tags[names.PROFILE], run.data.tags[names.ROW])].append(run)
    aliases = _registered(store, by_model)
    for model, group in by_model.items():
        if model not in aliases:
            row, profile = group[0].data.tags[names.ROW], group[0].data.tags[names.PROFILE]
            store.client.create_registered_model(model, description=_model_note(row, profile))
    versions = _versions(store, by_model)
    for model, group in by_model.items():
        present = _complete(store, model, group, versions.get(model, []))
        best = best_version(present)
        if best is not None and str(aliases.get(model, {}).get(BEST)) != str(best.version):
            store.client.set_registered_model_alias(model, BEST, best.version)


def best_version(versions: Sequence[ModelVersion]) -> ModelVersion | None:
    """The version with the highest score; of equals the one with the smallest checksum. None where none has one."""
    scored = [version for version in versions if SCORE in version.tags]
    return min(scored, key=lambda v: (-float(v.tags[SCORE]), v.tags[WEIGHTS], v.tags[ROW_KEY])) if scored else None


def _complete(store: Store, model: str, runs: Sequence[Run], versions: Sequence[ModelVersion]) -> list[ModelVersion]:
    """The model's versions after those of the runs were added."""
    present = {(v.tags.get(ROW_KEY), v.tags.get(WEIGHTS)): v for v in versions}
    ids = defaultdict(set)
    for run in runs:
        ids[_identity(run)].add(run.info.run_id)
    for run in runs:
        version = present.get(_identity(run))
        if version is not None and not _lost(store, version, ids[_identity(run)]):
            present[_identity(run)] = _updated(store, version, run)
            continue
        if version is not None:
            store.client.delete_model_version(model, version.version)
        present[_identity(run)] = _create(store, model, run)
    return list(present.values())


def _identity(run: Run) -> tuple[str | None, str | None]:
    return run.data.tags.get(names.ROW_KEY), run.data.tags.get(names.WEIGHTS)


def _lost(store: Store, version: ModelVersion, known: set[str]) -> bool:
    """Whether the run that a version comes from is gone."""
    from mlflow.exceptions import MlflowException

    if version.run_id in known:
        return False
    if version.run_id is None:
        return True
    try:
        return bool(store.client.get_run(version.run_id).info.lifecycle_stage != "active")
    except MlflowException:
        return True


def _create(store: Store, model: str, run: Run) -> ModelVersion:
    source = f"{run.info.artifact_uri.rstrip('/')}/{names.MODEL}"
    return store.client.create_model_version(
        model,
        source,
        run_id=run.info.run_id,
        tags=_tags(run),
        description=_version_note(run),
        await_creation_for=0,
    )


def _updated(store: Store, version: ModelVersion, run: Run) -> ModelVersion:
    """Bring the tags up to date: DVC's checksum is known only after DVC has noted the result."""
    changed = {key: value for key, value in _tags(run).items() if version.tags.get(key) != value}
    for key, value in changed.items():
        store.client.set_model_version_tag(version.name, version.version, key, value)
    version.tags.update(changed)
    return version


def _tags(run: Run) -> dict[str, str]:
    shown = run.data.tags
    row = shown[names.ROW]
    tags = {"address": f"models/{row}/model.safetensors", "row": row, "profile": shown[names.PROFILE]}
    tags |= {WEIGHTS: shown[names.WEIGHTS], ROW_KEY: shown[names.ROW_KEY]}
    dvc = shown.get(f"dvc.train.out.models/{row}")
    score = valid_score(run.data.metrics)
    if dvc is not None:
        tags["dvc.md5"] = dvc
    if score is not None:
        tags[SCORE] = repr(score)
    return tags


def _registered(store: Store, models: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Aliases of the registered models among `models`."""
    return {
        model.name: dict(model.aliases)
        for prefix in _prefixes(models)
        for model in pages(store.client.search_registered_models, filter_string=f"name LIKE '{prefix}.%'")
        if model.name in models
    }


def _versions(store: Store, models: Mapping[str, Any]) -> dict[str, list[ModelVersion]]:
    versions: dict[str, list[ModelVersion]] = defaultdict(list)
    for prefix in _prefixes(models):
        for version in pages(store.client.search_model_versions, filter_string=f"name LIKE '{prefix}.%'"):
            if version.name in models:
                versions[version.name].append(version)
    return versions


def _prefixes(models: Iterable[str]) -> list[str]:
    return sorted({model.rpartition(".")[0] for model in models})


def _model_note(row: str, profile: str) -> str:
    return (
        f"Weights of row {row} under the profile {profile}. `{BEST}` is the version with the highest mean IoU on the "
        f"validation split (tag `{SCORE}`). {names.NOT_FOR_CHOOSING}\n\n"
        "Weights are not copied here: a version holds their address in the repository, their SHA-256 and, once DVC "
        "knows it, the checksum of the output (`dvc.md5`), with which any DVC remote can give them back."
    )


def _version_note(run: Run) -> str:
    row = run.data.tags[names.ROW]
    return (
        f"`models/{row}/model.safetensors`, SHA-256 `{run.data.tags[names.WEIGHTS]}`; `dvc pull train@{row}` in a "
        f"commit of its run brings the file. {names.NOT_FOR_CHOOSING}"
    )
