"""The stages of dvc.yaml and what flows between them, as far as the file states it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath
from typing import Any

from flairhub.config.yaml_file import read_yaml
from flairhub.errors import ConfigurationError

_OUTPUTS = ("outs", "metrics", "plots")
_ITEM = re.compile(r"\$\{item(?:\.\w+)?\}")
_LIST = re.compile(r"\$\{(?:\w+\.)*(\w+?)s?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphStage:
    """One stage of the file."""

    name: str
    """Name in the file; with `@` and what it is repeated over where it is repeated, e.g. `train@ROW`."""
    description: str
    """`desc` of the file."""
    reads: tuple[str, ...]
    """Paths it depends on; `ROW` stands for the item of a matrix."""
    writes: tuple[str, ...]
    """Paths of outputs, metrics and plots."""
    repeated: bool
    """Whether there is one per item of a matrix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The stages in an order in which they can run."""

    stages: tuple[GraphStage, ...]
    """All but `feeders`; of those that could come next, the first of the file."""
    feeders: tuple[GraphStage, ...]
    """Stages that every other one reads and that read none: drawn as a note in each box, not as arrows."""
    edges: tuple[tuple[str, str], ...]
    """(writer, reader) among `stages`, in their order."""

    def fed(self, stage: GraphStage) -> tuple[str, ...]:
        """What a stage reads of the feeders' outputs."""
        outputs = [path for feeder in self.feeders for path in feeder.writes]
        return tuple(path for path in stage.reads if _meets([path], outputs))


def read_graph(path: Path) -> Graph:
    """Read the graph of a dvc.yaml.

    Raises:
        MissingFileError: there is no such file.
        ConfigurationError: it is no valid dvc.yaml, or its stages go round in a circle.
    """
    stages = {name: _stage(name, entry) for name, entry in read_yaml(path).get("stages", {}).items()}
    if not stages:
        raise ConfigurationError(f"Expected stages in {path.name}, but there are none.")
    before = {
        name: [other for other in stages if other != name and _meets(stage.reads, stages[other].writes)]
        for name, stage in stages.items()
    }
    feeders = [name for name in stages if _feeds_all(name, before)]
    order = _sorted({name: found for name, found in before.items() if name not in feeders}, path)
    names = {name: stage.name for name, stage in stages.items()}
    return Graph(
        stages=tuple(stages[name] for name in order),
        feeders=tuple(stages[name] for name in feeders),
        edges=tuple((names[writer], names[reader]) for reader in order for writer in order if writer in before[reader]),
    )


def _feeds_all(name: str, before: Mapping[str, list[str]]) -> bool:
    others = [found for reader, found in before.items() if reader != name]
    return not before[name] and len(others) > 1 and all(name in found for found in others)


def _sorted(before: Mapping[str, list[str]], path: Path) -> list[str]:
    """The file's order, but for a stage that stands before one it reads."""
    left, order = list(before), list[str]()
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        raise ConfigurationError(f"{path.name}: the stages {', '.join(error.args[1])} go round in a circle.") from None
    while left:
        ready = next(name for name in left if not set(before[name]) & set(left))
        left.remove(ready)
        order.append(ready)
    return order


def _stage(name: str, entry: Mapping[str, Any]) -> GraphStage:
    source = _list_of(entry)
    item = "ITEM" if source is None else source
    repeated = source is not None

    def paths(*keys: str) -> tuple[str, ...]:
        found = [each if isinstance(each, str) else next(iter(each)) for key in keys for each in entry.get(key) or ()]
        return tuple(_ITEM.sub(item, each) for each in found)

    return GraphStage(
        name=f"{name}@{item}" if repeated else name,
        description=str(entry.get("desc", "")),
        reads=paths("deps"),
        writes=paths(*_OUTPUTS),
        repeated=repeated,
    )


def _list_of(entry: Mapping[str, Any]) -> str | None:
    """What a stage is repeated over: `ROW` for a matrix or foreach over `${rows}`; None where it is not."""
    if "foreach" in entry:
        sources = [entry["foreach"]]
    elif "matrix" in entry:
        sources = list(entry["matrix"].values())
    else:
        return None
    matches = [_LIST.fullmatch(source) if isinstance(source, str) else None for source in sources]
    return "-".join("ITEM" if match is None else match[1].upper() for match in matches)


def _meets(reads: Iterable[str], writes: Iterable[str]) -> bool:
    """Whether a path read is one written, inside one, or a folder that holds one."""
    written = [PurePosixPath(path) for path in writes]
    return any(
        read.is_relative_to(path) or path.is_relative_to(read) for read in map(PurePosixPath, reads) for path in written
    )
