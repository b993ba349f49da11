"""What git knows: the state of the work tree, commits, and the results they hold."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.lineage.dvc import parse_lock

LOCK = "dvc.lock"
_EXPERIMENTS = "refs/exps/"
_BASELINE_DIGITS = (2, 38)
"""A reference of an experiment is refs/exps/<2 digits>/<38 digits>/<name>; DVC's other references are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A commit with a lock file."""

    commit: str
    time_ms: int
    """Committed, milliseconds since 1970."""
    experiment: str = ""
    """Name of the DVC experiment; empty for an ordinary commit."""
    baseline: str = ""
    """Commit that the experiment started from."""


@dataclass(frozen=True, slots=True)
class Repository:
    """The git repository around a workspace; without one there are no revisions."""

    root: Path
    """Folder of dvc.lock."""

    def revisions(self) -> list[Revision]:
        """Commits of any branch or tag that changed dvc.lock or that an experiment started from, then experiments.

        Each part is sorted, newest first.
        """
        log = _git(
            self.root,
            *("log", f"--exclude={_EXPERIMENTS}*", "--exclude=refs/stash", "--all", "--full-history"),
            *("--format=%H %ct", "--", LOCK),
        )
        experiments = self._experiments()
        starts = sorted({revision.baseline for revision in experiments})
        shown = [_git(self.root, "log", "-1", "--format=%H %ct", commit) for commit in starts]
        lines = {line for text in (log, *shown) for line in (text or "").splitlines()}
        commits = [Revision(commit=line.split()[0], time_ms=1000 * int(line.split()[1])) for line in lines]
        return sorted(commits, key=_newest_first) + sorted(experiments, key=_newest_first)

    def _experiments(self) -> list[Revision]:
        listed = _git(
            self.root, "for-each-ref", "--format=%(refname) %(objectname) %(committerdate:unix)", _EXPERIMENTS
        )
        revisions = []
        for line in (listed or "").splitlines():
            name, commit, seconds = line.rsplit(" ", 2)
            parts = name.removeprefix(_EXPERIMENTS).split("/")
            if len(parts) == 3 and (len(parts[0]), len(parts[1])) == _BASELINE_DIGITS:
                revision = Revision(
                    commit=commit, time_ms=1000 * int(seconds), experiment=parts[2], baseline=parts[0] + parts[1]
                )
                revisions.append(revision)
        return revisions

    def locks(self, commits: list[str]) -> dict[str, Mapping[str, Any]]:
        """Stages of dvc.lock by commit; a commit without one, or with one that is no YAML, is left out."""
        blobs = {
            commit: (_git(self.root, "rev-parse", "--verify", "-q", f"{commit}:./{LOCK}") or "") for commit in commits
        }
        parsed = {blob: self._stages(blob) for blob in sorted(set(blobs.values())) if blob}
        return {commit: parsed[blob] for commit, blob in blobs.items() if parsed.get(blob)}

    def _stages(self, blob: str) -> Mapping[str, Any]:
        text = _git(self.root, "cat-file", "blob", blob)
        return (parse_lock(text) if text is not None else None) or {}


def _newest_first(revision: Revision) -> tuple[int, str]:
    return -revision.time_ms, revision.commit


def git_state(root: Path = Path()) -> dict[str, Any]:
    """Commit of the repository and whether tracked files differ from it; None where git does not tell."""
    commit = _git(root, "rev-parse", "HEAD")
    status = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "git_dirty": None if status is None else bool(status)}


def text_at(root: Path, revision: str, name: str) -> str | None:
    """A file of a folder as a revision holds it; None where it does not, or there is no git."""
    return _output(root, "show", f"{revision}:./{name}")


def resolve_commit(root: Path, revision: str) -> str | None:
    """The commit that a revision names; None where there is none, or no git."""
    return None if revision.startswith("-") else _git(root, "rev-parse", "--verify", "-q", f"{revision}^{{commit}}")


def _git(root: Path, *arguments: str) -> str | None:
    """What git answers, without the end of its line."""
    answer = _output(root, *arguments)
    return None if answer is None else answer.strip()


def _output(root: Path, *arguments: str) -> str | None:
    """What git prints; None where it fails or is not there."""
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run([git, *arguments], cwd=root, capture_output=True, check=False)  # noqa: S603 - own words
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
