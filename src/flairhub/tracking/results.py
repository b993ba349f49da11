"""The distinct results of rows in many versions of dvc.lock, and where each of them is. Nothing is read but locks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flairhub.files import canonical_json, sha256_text
from flairhub.lineage.dvc import entries, read_lock
from flairhub.lineage.git import Repository, Revision
from flairhub.records.layout import row_files
from flairhub.tracking.records import Origin
from flairhub.tracking.sources import receipt_md5

TRAIN, EVALUATE = "train@", "evaluate@"


@dataclass(slots=True, kw_only=True)
class Result:
    """One distinct result of a row, over all revisions."""

    row: str
    stages: Mapping[str, Any]
    """Of the newest lock file that has it."""
    evaluated: bool
    """Otherwise it is a training alone, as an experiment that ends with `train@ROW` leaves it."""
    revisions: list[Revision] = field(default_factory=list)

    @property
    def mark(self) -> str | None:
        """DVC's checksum of what stands for the result: the receipt, or the folder of the weights."""
        return _mark(self.stages, self.row, evaluated=self.evaluated)

    def files(self) -> Iterator[tuple[str, str]]:
        """(path, DVC's checksum) of the outputs that belong to it; a folder's checksum ends with `.dir`."""
        stages = (f"{TRAIN}{self.row}", f"{EVALUATE}{self.row}")[: 2 if self.evaluated else 1]
        for stage in stages:
            yield from entries(self.stages, stage, "outs").items()
        if not self.evaluated:
            yield from entries(self.stages, stages[0], "deps").items()  # the row's inputs, which have the recipe
        yield from entries(self.stages, "pull", "outs").items()

    def origin(self, baselines: Mapping[str, str | None], started: Mapping[str, int]) -> Origin:
        """Where the result is.

        Args:
            baselines: baseline -> `mark` of the row there, of a result of the same kind.
            started: baseline -> when it was committed.
        """
        experiments = [revision for revision in self.revisions if revision.experiment]
        changed = {r.baseline for r in experiments if baselines.get(r.baseline) not in {None, self.mark}}
        if not self.evaluated:
            # Nobody trains a row anew in a sweep unless it differs from where the sweep began.
            changed = {r.baseline for r in experiments if baselines.get(r.baseline) != self.mark}
        return Origin(
            revisions=tuple(dict.fromkeys(r.commit for r in self.revisions if not r.experiment)),
            experiments=tuple(sorted({revision.experiment for revision in experiments})),
            baseline=min(changed, key=lambda commit: (started.get(commit, 0), commit), default=""),
            time_ms=min(revision.time_ms for revision in self.revisions),
        )


def distinct_results(revisions: Sequence[Revision], locks: Mapping[str, Mapping[str, Any]]) -> list[Result]:
    """Every distinct result, in the order of the revisions.

    A training without its evaluation counts in experiments only: elsewhere it is work under way.
    """
    results: dict[str, Result] = {}
    for revision in revisions:
        stages = locks.get(revision.commit, {})
        for row in sorted({name.partition("@")[2] for name in stages if name.startswith((TRAIN, EVALUATE))}):
            evaluated = _evaluated(stages, row)
            if not evaluated and not (revision.experiment and _weights(stages, row)):
                continue
            result = Result(row=row, stages=stages, evaluated=evaluated)
            key = sha256_text(canonical_json([row, evaluated, sorted(result.files())]))
            results.setdefault(key, result).revisions.append(revision)
    return list(results.values())


def baseline_marks(main: Path, commits: Sequence[str]) -> dict[tuple[str, bool], dict[str, str | None]]:
    """(row, evaluated) -> commit -> mark of the row's result there.

    A commit without a lock file is taken to have the results of the main workspace.
    """
    locks = Repository(main).locks(list(commits))
    present = read_lock(main)
    rows = {name.partition("@")[2] for stages in (present, *locks.values()) for name in stages if "@" in name}
    return {
        (row, evaluated): {commit: _mark(locks.get(commit, present), row, evaluated=evaluated) for commit in commits}
        for row in rows
        for evaluated in (True, False)
    }


def _evaluated(stages: Mapping[str, Any], row: str) -> bool:
    """Whether the lock file has an evaluation of the very weights that it has."""
    if receipt_md5(stages, row) is None:
        return False
    weights = row_files(row).model.as_posix()
    read = entries(stages, f"{EVALUATE}{row}", "deps").get(weights)
    return read is None or read == _weights(stages, row)


def _weights(stages: Mapping[str, Any], row: str) -> str | None:
    return entries(stages, f"{TRAIN}{row}", "outs").get(row_files(row).model.as_posix())


def _mark(stages: Mapping[str, Any], row: str, *, evaluated: bool) -> str | None:
    return receipt_md5(stages, row) if evaluated else _weights(stages, row)
