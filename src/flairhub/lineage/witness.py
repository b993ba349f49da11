"""What a stage depends on, seen at its start and again before it leaves.

DVC hashes parameters and dependencies after a stage has ended. Whoever edits them meanwhile would have DVC record a
result under parameters and code that did not make it, and hand it out again from its cache. So a stage reads parameters
once and takes note of the rest when it begins, imports at once all code that makes its result, and fails if anything is
different at its end. What is edited before it begins is what it works with, and what DVC records; between a stage's end
and DVC's reading nobody but DVC can look, which `cli.recorded` makes it do.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.config.yaml_file import read_yaml
from flairhub.errors import FlairhubError, MissingFileError
from flairhub.files import canonical_json
from flairhub.lineage.concerns import PACKAGE
from flairhub.lineage.fingerprint import stage_fingerprint
from flairhub.records.code import Fingerprint
from flairhub.records.listings import FOLDER as NOTES

_SMALL = 1 << 22
"""Files up to this size are compared by content, larger ones by size and time, bytes."""
_GONE = (1 << 63, -1)
"""Stands for time and size of a file that is not there: younger than any."""


class ChangedError(FlairhubError, RuntimeError):
    """Something that the stage depends on changed while it ran."""


@dataclass(frozen=True, slots=True)
class Witness:
    """The state of a stage's dependencies when it began."""

    stage: str
    root: Path
    dependencies: tuple[str, ...]
    """Paths of dvc.yaml, without the notes of what lies elsewhere: the stage itself makes them true."""
    params: tuple[str, ...]
    """Dotted keys of params.yaml."""
    seen: Mapping[str, str]
    """Path or key -> state."""
    values: Mapping[str, Any]
    """params.yaml as it was: the stage works with these, whatever becomes of the file meanwhile."""

    def confirm(self) -> None:
        """Refuse to end as if nothing had happened.

        Raises:
            ChangedError: a parameter or dependency is not what it was; all are named.
        """
        now = _states(self.root, self.dependencies)
        if self.params:
            now |= _params(read_yaml(self.root / "params.yaml"), self.params)
        changed = sorted(name for name in now.keys() | self.seen.keys() if now.get(name) != self.seen.get(name))
        if changed:
            raise ChangedError(
                f"Expected what {self.stage} depends on to stay as it was when it began, but {', '.join(changed)} "
                "changed while it ran; its result is not recorded. Run `dvc repro` again."
            )


def begin(stage: str, row: str | None, script: Path, source: Path, root: Path = Path()) -> Witness:
    """Take note of a stage's dependencies; import the code that makes its result.

    Args:
        stage: its name in dvc.yaml.
        row: identifier of the row, for a stage per row.
        script: its script.
        source: the folder that holds the package (`src`).
        root: the repository.

    Raises:
        ChangedError: the code is not the one whose fingerprint the stage depends on.
        MissingFileError: there is no such stage.
    """
    entry = _entry(stage, root)
    named = (path.replace("${item.id}", row or "") for path in entry.get("deps", ()))
    dependencies = tuple(path for path in named if not path.startswith(f"{NOTES}/"))
    params = tuple(key for key in entry.get("params", ()) if isinstance(key, str))
    values = read_yaml(root / "params.yaml")
    states = _states(root, dependencies) | _params(values, params)
    _require_code(stage, script, source, root)
    return Witness(
        stage=stage if row is None else f"{stage}@{row}",
        root=root,
        dependencies=dependencies,
        params=params,
        seen=states,
        values=values,
    )


def _entry(stage: str, root: Path) -> dict[str, Any]:
    path = root / "dvc.yaml"
    if not path.is_file():
        return {}
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    stages = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)["stages"]  # noqa: S506 - a safe loader
    if stage not in stages:
        raise MissingFileError(f"Expected a stage {stage!r} in {path}, but there is none; restore the file from git.")
    return dict(stages[stage])


def _require_code(stage: str, script: Path, source: Path, root: Path) -> None:
    """The code on disk must be the one that was fingerprinted, and nothing of it may be read later."""
    recorded = root / "data" / "code" / f"{stage}.json"
    if not recorded.is_file():
        return
    known = Fingerprint.read(recorded)
    modules = [name for name in known.parts if name.startswith(PACKAGE) and "/" not in name]
    before = _sources(modules, source)
    youngest = max((stamp[0] for stamp in before.values()), default=0)
    newer = youngest >= recorded.stat().st_mtime_ns  # else they need not be parsed again
    if newer and stage_fingerprint(stage, script, source).sha256 != known.sha256:
        raise ChangedError(
            f"Expected the code of {stage} whose fingerprint is in {recorded}, but the source files have changed "
            "since; run `dvc repro`, which takes their fingerprint first - or `dvc repro --force code` where it says "
            "that nothing changed."
        )
    for name in modules:
        importlib.import_module(name)
    if changed := sorted(name for name, stamp in _sources(modules, source).items() if stamp != before[name]):
        raise ChangedError(
            f"Expected the code of {stage} to stay as it is while it is read, but {', '.join(changed)} changed; run "
            "`dvc repro` again."
        )


def _sources(modules: list[str], source: Path) -> dict[str, tuple[int, int]]:
    """Module -> time and size of its file."""
    found = {}
    for name in modules:
        base = source.joinpath(*name.split("."))
        path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        try:
            status = path.stat()
        except FileNotFoundError:
            found[name] = _GONE
        else:
            found[name] = (status.st_mtime_ns, status.st_size)
    return found


def _states(root: Path, dependencies: tuple[str, ...]) -> dict[str, str]:
    return {path: _state(root / path) for path in dependencies}


def _params(values: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, str]:
    return {key: canonical_json(_at(values, key)) for key in keys}


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _state(path: Path) -> str:
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
        lines = (f"{each.relative_to(path).as_posix()} {_stamp(each.stat())}" for each in files)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
    if not path.is_file():
        return "absent"
    status = path.stat()
    return hashlib.sha256(path.read_bytes()).hexdigest() if status.st_size <= _SMALL else _stamp(status)


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"
