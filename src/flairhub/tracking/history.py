"""Results of earlier commits and of DVC experiments, laid out like a workspace from DVC's cache.

Nothing is copied or checked out: the small files of a result are links into the cache. What is not in the cache is
named and left out; `dvc fetch` brings it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from flairhub.benchmark.receipt import row_files
from flairhub.files import canonical_json, sha256_text
from flairhub.tracking.errors import TrackingError
from flairhub.tracking.reading import read_identity
from flairhub.tracking.records import Origin, RunIdentity, Skipped
from flairhub.tracking.revisions import Repository, Revision
from flairhub.tracking.sources import file_md5, read_lock, receipt_md5

_PREFIX = "evaluate@"
_MANIFEST = "data/manifest.json"
_DISPENSABLE = (".safetensors", ".parquet")
"""Suffixes of outputs that a run does without."""


class Cache(Protocol):
    """A content-addressed store."""

    def path(self, md5: str) -> Path | None:
        """File of that checksum; None where it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
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


@dataclass(slots=True, kw_only=True)
class _Result:
    """One distinct result of a row, over all revisions."""

    row: str
    stages: Mapping[str, Any]
    revisions: list[Revision] = field(default_factory=list)

    def origin(self, baselines: Mapping[str, str | None], started: Mapping[str, int]) -> Origin:
        """Where the result is.

        Args:
            baselines: baseline -> checksum of the row's receipt there.
            started: baseline -> when it was committed.
        """
        experiments = [revision for revision in self.revisions if revision.experiment]
        mine = receipt_md5(self.stages, self.row)
        changed = {r.baseline for r in experiments if baselines.get(r.baseline) not in {None, mine}}
        return Origin(
            revisions=tuple(dict.fromkeys(r.commit for r in self.revisions if not r.experiment)),
            experiments=tuple(sorted({revision.experiment for revision in experiments})),
            baseline=min(changed, key=lambda commit: (started.get(commit, 0), commit), default=""),
            time_ms=min(revision.time_ms for revision in self.revisions),
        )


def baseline_receipt(main: Path, baseline: str, row: str) -> str | None:
    """DVC's checksum of the row's receipt where an experiment started: in that commit, else in the main workspace.

    None where neither has a result of the row.
    """
    return _baseline_receipts(main, [baseline], [row])[baseline][row]


def past_results(
    main: Path, folder: Path, *, profile: str, cache: Cache, present: Sequence[Found] = ()
) -> tuple[list[Found], list[Skipped]]:
    """Every distinct result of every row in git's history and in DVC's experiments, newest first.

    Args:
        main: main workspace.
        folder: where the results are laid out; must outlive the reading of their records.
        profile: for receipts that name none.
        cache: DVC's cache.
        present: results of the workspace, which need not be in the cache.

    Returns:
        Results, and those that are not in the cache.
    """
    repository = Repository(main)
    revisions = repository.revisions()
    results = _distinct(revisions, repository.locks([revision.commit for revision in revisions]))
    started = sorted({revision.baseline for revision in revisions if revision.baseline})
    receipts = _baseline_receipts(main, started, sorted({result.row for result in results}))
    times = {revision.commit: revision.time_ms for revision in revisions}
    here = {(item.identity.row, file_md5(row_files(item.identity.row, item.root).receipt)): item for item in present}
    found: list[Found] = []
    skipped: list[Skipped] = []
    for number, result in enumerate(results):
        origin = result.origin({commit: rows[result.row] for commit, rows in receipts.items()}, times)
        same = here.get((result.row, receipt_md5(result.stages, result.row) or ""))
        if same is not None:
            found.append(replace(same, origin=origin))
            continue
        item = _lay_out(result, origin, folder / str(number), profile, cache)
        if isinstance(item, Found):
            found.append(item)
        else:
            skipped.append(item)
    return found, skipped


def merged(present: Sequence[Found], past: Sequence[Found]) -> list[Found]:
    """The present results with all that is known about their past, then the others.

    Of several past results with one identity the newest stays, and tells of the others too.
    """
    by_identity: dict[tuple[str, str, str], Found] = {}
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


def _distinct(revisions: Sequence[Revision], locks: Mapping[str, Mapping[str, Any]]) -> list[_Result]:
    results: dict[str, _Result] = {}
    for revision in revisions:
        stages = locks.get(revision.commit, {})
        for name in stages:
            row = name.removeprefix(_PREFIX)
            if row == name or receipt_md5(stages, row) is None:
                continue
            key = sha256_text(canonical_json([row, sorted(_outs(stages, row).items())]))
            results.setdefault(key, _Result(row=row, stages=stages)).revisions.append(revision)
    return list(results.values())


def _outs(stages: Mapping[str, Any], row: str) -> dict[str, str]:
    """Outputs of a row's stages: path -> DVC's checksum."""
    return {
        out["path"]: str(out["md5"])
        for stage in (f"train@{row}", f"{_PREFIX}{row}")
        for out in (stages.get(stage) or {}).get("outs", ())
        if "md5" in out
    }


def _baseline_receipts(main: Path, commits: Sequence[str], rows: Sequence[str]) -> dict[str, dict[str, str | None]]:
    locks = Repository(main).locks(list(commits))
    present = read_lock(main)
    return {commit: {row: receipt_md5(locks.get(commit, present), row) for row in rows} for commit in commits}


def _lay_out(result: _Result, origin: Origin, root: Path, profile: str, cache: Cache) -> Found | Skipped:
    row, newest = result.row, result.revisions[0]
    place = f"of experiment {newest.experiment}" if newest.experiment else f"of {newest.commit[:7]}"
    label = f"{row} {place}"
    try:
        for path, md5 in _files(result, cache):
            target = cache.path(md5)
            if target is not None:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).symlink_to(target)
            elif not path.endswith(_DISPENSABLE):
                return Skipped(label, f"{path} is not in DVC's cache; bring it with `dvc fetch -A {_PREFIX}{row}`")
        identity = read_identity(root, row, profile)
    except TrackingError as error:
        return Skipped(label, str(error).replace(f"{root}/", ""))
    if isinstance(identity, Skipped):
        return Skipped(label, f"the lock file names no {row_files(row).metrics}, details.json and receipt.json")
    return Found(label=label, root=root, identity=identity, lock=result.stages, origin=origin)


def _files(result: _Result, cache: Cache) -> Iterator[tuple[str, str]]:
    """(path, checksum) of every file of a result, and of the manifest of its data."""
    outs = _outs(result.stages, result.row)
    for path, md5 in outs.items():
        if not md5.endswith(".dir"):
            yield path, md5
            continue
        listing = cache.path(md5)
        if listing is None:
            yield f"{path}/", md5
            continue
        for entry in json.loads(listing.read_text(encoding="utf-8")):
            yield f"{path}/{entry['relpath']}", str(entry["md5"])
    for out in (result.stages.get("pull") or {}).get("outs", ()):
        if out["path"] == _MANIFEST and "md5" in out:
            yield _MANIFEST, str(out["md5"])
