"""One row's run as plain data. No MLflow here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flairhub.records.details import Details
from flairhub.records.history import History, MetricPoint
from flairhub.tracking import names


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """What tells one run from another."""

    row: str
    row_key: str
    eval_key: str
    profile: str
    fingerprint: str
    """Hash of the files that the run shows."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row without a run."""

    row: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInput:
    """One split that went into a run."""

    name: str
    context: str
    """`train`, `valid` or `test`."""
    digest: str
    """First 36 hexadecimal digits of the split's checksum (MLflow's limit)."""
    num_patches: int
    source: str
    """JSON: kind and identity of the source, checksum of the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a result was found besides the files of the workspace. All empty: nothing is known."""

    revisions: tuple[str, ...] = ()
    """Commits, newest first."""
    experiments: tuple[str, ...] = ()
    """DVC experiments, sorted."""
    baseline: str = ""
    """Commit from which an experiment that changed the result started."""
    time_ms: int | None = None
    """Of the oldest commit, milliseconds since 1970."""

    @property
    def tags(self) -> dict[str, str]:
        """The tags that say so."""
        baseline = {names.BASELINE: self.baseline} if self.baseline else {}
        lists = names.listed(names.REVISIONS, self.revisions) | names.listed(names.EXPERIMENTS, self.experiments)
        return lists | baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleMap:
    """The prediction of one test patch that the evaluation kept."""

    task: str
    patch_id: str
    level: int
    """Of the nomenclature."""
    prediction: Path
    """GeoTIFF of classes."""
    archives: Path | None
    """Folder of the archives with its label; None where they are not on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Everything that a run shows."""

    identity: RunIdentity
    name: str
    params: dict[str, str]
    """Dotted name -> text, unshortened."""
    metrics: dict[str, float]
    """Final figures, percent for scores."""
    history: tuple[MetricPoint, ...]
    histories: tuple[History, ...]
    """Of every seed, the row's own first: for the pictures."""
    tags: dict[str, str]
    late_tags: dict[str, str]
    """Known only after DVC has committed the stages; they may change while the run stays the same."""
    datasets: tuple[DatasetInput, ...]
    files: tuple[Path, ...]
    """Small files, logged as they are."""
    documents: dict[str, str]
    """Generated texts by file name: the recipe as JSON, the address and hash of the weights."""
    details: Details
    """For the pictures."""
    examples: tuple[ExampleMap, ...]
    weights: Path | None
    """None where the file is not here."""
    start_ms: int | None
    """Milliseconds since 1970, from runs/ROW/volatile.json."""
    end_ms: int | None
