"""Results of earlier commits and of DVC experiments, laid out like a workspace from DVC's cache.

Nothing is copied or checked out: the small files of a result are links into the cache. What is not in the cache is
named and left out; `dvc fetch` brings it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flairhub.config.workspace import Workspace
from flairhub.errors import FlairhubError
from flairhub.lineage.dvc import DvcCache, file_md5
from flairhub.lineage.git import Repository
from flairhub.lineage.keys import row_key, seed_keys
from flairhub.records.layout import row_files
from flairhub.tracking.reading import read_identity
from flairhub.tracking.records import Origin, RunIdentity, Skipped
from flairhub.tracking.results import EVALUATE, TRAIN, Result, baseline_marks, distinct_results
from flairhub.tracking.sources import RunFiles, kept_costs
from flairhub.tracking.training_runs import Training

_LISTING = "its list of files"
_NEEDED = {
    *("receipt.json", "metrics.json", "details.json"),
    *("history.csv", "steps.csv", "valid.json", _LISTING),
}
"""Names of files without which a run would not show what it showed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedRow:
    """A row's result: where its files lie, and where it comes from."""

    label: str
    """Row identifier, and where it comes from if that is not the workspace."""
    root: Path
    """Folder that is laid out like a workspace."""
    identity: RunIdentity
    lock: Mapping[str, Any]
    origin: Origin
    whole_origin: bool = False
    """Whether `origin` lists every commit and experiment, not only the present one."""


def past_results(
    workspace: Workspace, folder: Path, *, profile: str, cache: DvcCache, present: Sequence[EvaluatedRow] = ()
) -> tuple[list[EvaluatedRow], list[Training], list[Skipped]]:
    """Every distinct result of every row in git's history and in DVC's experiments, newest first.

    Args:
        workspace: its main folder has git, dvc.lock and the kept costs.
        folder: where the results are laid out; must outlive the reading of their records.
        profile: for receipts that name none.
        cache: DVC's cache.
        present: results of the workspace, which need not be in the cache.

    Returns:
        Evaluated results, trainings alone, and those that are not in the cache.
    """
    main = workspace.main
    repository = Repository(main)
    revisions = repository.revisions()
    results = distinct_results(revisions, repository.locks([revision.commit for revision in revisions]))
    marks = baseline_marks(main, sorted({revision.baseline for revision in revisions if revision.baseline}))
    times = {revision.commit: revision.time_ms for revision in revisions}
    here = {(item.identity.row, file_md5(row_files(item.identity.row, item.root).receipt)): item for item in present}
    evaluated: list[EvaluatedRow] = []
    trained: list[Training] = []
    skipped: list[Skipped] = []
    for number, result in enumerate(results):
        origin = result.origin(marks.get((result.row, result.evaluated), {}), times)
        same = here.get((result.row, result.mark or "")) if result.evaluated else None
        item = _lay_out(result, origin, folder / str(number), profile, cache) if same is None else same
        if isinstance(item, Skipped):
            skipped.append(item)
        elif isinstance(item, Training):
            trained.append(item)
        else:
            _add_costs(workspace, item)
            evaluated.append(replace(item, origin=origin))
    return evaluated, trained, skipped


def merged(present: Sequence[EvaluatedRow], past: Sequence[EvaluatedRow]) -> list[EvaluatedRow]:
    """The present results with all that is known about their past, then the others.

    Of several past results with one identity the newest stays, and tells of the others too.
    """
    by_identity: dict[tuple[str, str, str], EvaluatedRow] = {}
    for item in (*present, *past):
        place = (item.identity.row, item.identity.row_key, item.identity.eval_key)
        first = by_identity.get(place)
        if first is None:
            by_identity[place] = replace(item, whole_origin=True)
        else:
            by_identity[place] = replace(first, origin=_union(first.origin, item.origin))
    return list(by_identity.values())


def _union(first: Origin, second: Origin) -> Origin:
    times = [origin.time_ms for origin in (first, second) if origin.time_ms is not None]
    return Origin(
        revisions=tuple(dict.fromkeys((*first.revisions, *second.revisions))),
        experiments=tuple(sorted({*first.experiments, *second.experiments})),
        baseline=first.baseline or second.baseline,
        time_ms=min(times, default=None),
    )


def _lay_out(
    result: Result, origin: Origin, root: Path, profile: str, cache: DvcCache
) -> EvaluatedRow | Training | Skipped:
    row, newest = result.row, result.revisions[0]
    label = f"{row} of " + (f"experiment {newest.experiment}" if newest.experiment else newest.commit[:7])
    try:
        for path, md5 in _files(result, cache):
            target = cache.path(md5)
            if target is not None:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).symlink_to(target)
            elif path.rpartition("/")[2] in _NEEDED:
                stage = EVALUATE if result.evaluated else TRAIN
                return Skipped(label, f"{path} is not in DVC's cache; bring it with `dvc fetch -A {stage}{row}`")
        if not result.evaluated:
            return _trained(result, origin, root, label, profile)
        identity = read_identity(root, row)
    except FlairhubError as error:
        return Skipped(label, str(error).replace(f"{root}/", ""))
    if isinstance(identity, Skipped):
        return Skipped(label, "the lock file does not name metrics.json, details.json and receipt.json")
    return EvaluatedRow(label=label, root=root, identity=identity, lock=result.stages, origin=origin)


def _add_costs(workspace: Workspace, item: EvaluatedRow) -> None:
    """Times, costs and host of a result of the past, if a sync has seen them."""
    kept = kept_costs(workspace, item.identity.row_key, item.identity.eval_key)
    path = row_files(item.identity.row, item.root).costs
    if item.root != workspace.root and kept.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(kept)


def _trained(result: Result, origin: Origin, root: Path, label: str, profile: str) -> Training | Skipped:
    files = row_files(result.row, root)
    if not (files.inputs.is_file() and files.train_code.is_file()):
        return Skipped(label, "the lock file does not name the row's inputs and the fingerprint of the code")
    key = row_key(seed_keys(files.inputs, files.train_code))
    params = (result.stages.get("resolve") or {}).get("params", {}).get("params.yaml", {})
    return Training(
        label=label,
        files=RunFiles(root=root, row=result.row),
        profile=str(params.get("profile") or profile),
        key=key,
        tags=origin.tags,
        changed=bool(origin.baseline),
        time_ms=origin.time_ms,
    )


def _files(result: Result, cache: DvcCache) -> Iterator[tuple[str, str]]:
    """(path, checksum) of every file of a result; folders are opened, a missing listing is a needed file."""
    for path, md5 in result.files():
        if not md5.endswith(".dir"):
            yield path, md5
            continue
        listing = cache.path(md5)
        if listing is None:
            yield f"{path}/{_LISTING}", md5
            continue
        for entry in json.loads(listing.read_text(encoding="utf-8")):
            yield f"{path}/{entry['relpath']}", str(entry["md5"])
