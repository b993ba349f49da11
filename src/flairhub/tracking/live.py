"""Feeding MLflow while a training runs, without ever being able to stop it or slow it down.

A thread of its own takes points out of a bounded buffer and writes them in batches, and samples the load of the
machine. It connects only after some seconds, so that a short training does not pay for importing MLflow; it gives up
after a few failures with one warning. Whatever it did not write, the sync writes later from the files; the sync also
ends the run, unless the training failed.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from flairhub.files import is_number
from flairhub.tracking import names
from flairhub.tracking.environment import configure_environment
from flairhub.tracking.store import Store, explaining, open_store, shown
from flairhub.tracking.system import SystemSampler

if TYPE_CHECKING:
    from mlflow.entities import Run

_log = logging.getLogger(__name__)

_IMPORTING = threading.RLock()
"""Held while the thread imports MLflow; a fork waits for it. A child (a worker that reads data) would otherwise
inherit half-imported modules whose locks nobody releases any more."""

os.register_at_fork(before=_IMPORTING.acquire, after_in_parent=_IMPORTING.release, after_in_child=_IMPORTING.release)

_TIMEOUTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
"""Short, because this thread tries again by itself."""


@dataclass(frozen=True, slots=True)
class _Point:
    name: str
    value: float
    stamp: int
    step: int


@dataclass(slots=True, kw_only=True)
class LiveRun:
    """A run of MLflow that grows with the training.

    No method raises because of MLflow or the network. Use it in the process of rank zero only.
    """

    uri: str
    """Address of the store, from `store.tracking_uri`."""
    experiment: str
    """Name of the experiment, from `names.experiment_name`."""
    key: str
    """The row's key; a run that an interrupted training with this key left is continued."""
    name: str
    """Row identifier."""
    tags: Mapping[str, str] = field(default_factory=dict)
    part: str = ""
    """Which of several trainings of the row, as its folder under models/ROW is named."""
    connect_after_s: float = 15.0
    """Seconds from `start` to the first connection; a training that ends before leaves all to the sync."""
    flush_every_s: float = 3.0
    """Seconds between two batches."""
    system_every_s: float = 10.0
    """Seconds between two samples of the load of the machine."""
    capacity: int = 20_000
    """Most points that wait; the oldest go first."""
    max_failures: int = 3
    """Failures in a row after which nothing more is tried."""
    _points: deque[_Point] = field(init=False)
    _stop: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread | None = field(init=False, default=None)
    _store: Store | None = field(init=False, default=None)
    _run_id: str | None = field(init=False, default=None)
    _known_steps: dict[str, int] = field(init=False, default_factory=dict)
    _failures: int = field(init=False, default=0)
    _begun_ms: int = field(init=False, default=0)
    _sampler: SystemSampler = field(init=False, default_factory=SystemSampler)
    _samples: int = field(init=False, default=0)
    _sample_at: float = field(init=False, default=0.0)
    _ended_by: BaseException | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Make the buffer."""
        self._points = deque(maxlen=self.capacity)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def given_up(self) -> bool:
        """Whether nothing more is written."""
        return self._failures >= self.max_failures

    @property
    def run_id(self) -> str | None:
        """MLflow's identifier, once there is one."""
        return self._run_id

    def start(self) -> Self:
        """Begin, once; returns at once. The first `log` does it too."""
        if self._thread is not None:
            return self
        for key, value in _TIMEOUTS.items():
            os.environ.setdefault(key, value)
        configure_environment()
        self._begun_ms = _now_ms()
        self._thread = threading.Thread(target=self._work, name="mlflow-live", daemon=True)
        self._thread.start()
        return self

    def log(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Note values of an optimiser step; returns at once.

        Args:
            step: optimiser steps done, as in the `step` column of history.csv.
            metrics: columns of history.csv or steps.csv and their values; what is not a finite number is left out.
        """
        if self.given_up:
            return
        self.start()
        stamp = _now_ms()
        for column, value in metrics.items():
            if is_number(value):
                self._points.append(_Point(names.history_metric(column, self.part), float(value), stamp, step))

    def close(self, timeout_s: float = 5.0, *, error: BaseException | None = None) -> None:
        """Write what waits, for at most `timeout_s` seconds. The run stays RUNNING: the sync ends it.

        Args:
            timeout_s: how long to wait for MLflow.
            error: what ended the training. The run is then marked FAILED (KILLED where the user interrupted it); the
                same training continues it when it is taken up again.
        """
        self._ended_by = error
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                self._failures = self.max_failures  # ends the loop of the thread, which dies with the process
                _log.warning(
                    "MLflow at %s is slow: the rest of %s waits for `flairhub track`", shown(self.uri), self.name
                )

    def _work(self) -> None:
        """The thread: wait, connect, write until the end."""
        connect_at = time.monotonic() + self.connect_after_s
        while (left := connect_at - time.monotonic()) > 0:
            self._sample()
            if self._stop.wait(min(left, self.system_every_s)):
                if isinstance(self._ended_by, Exception):
                    break  # short, but its failure is to be seen
                return
        while not self.given_up:
            ending = self._stop.is_set()
            self._sample()
            written = self._attempt()
            if ending and (written or self.given_up):
                return
            self._stop.wait(self.flush_every_s if written else min(self.flush_every_s, 1.0))

    def _sample(self) -> None:
        """Note the load of the machine where it is time; the step counts samples."""
        if time.monotonic() < self._sample_at:
            return
        self._sample_at = time.monotonic() + self.system_every_s
        stamp = _now_ms()
        for name, value in self._sampler.sample().items():
            self._points.append(_Point(name, value, stamp, self._samples))
        self._samples += 1

    def _attempt(self) -> bool:
        """One batch; counts failures in a row."""
        try:
            self._write()
        except Exception as error:  # noqa: BLE001 - of MLflow's databases too; a traceback helps no training
            self._failures += 1
            if self.given_up:
                self._points.clear()
                _log.warning(
                    "MLflow at %s does not take the figures of %s (%s); the training goes on, `flairhub track` makes "
                    "the run from the files.",
                    shown(self.uri),
                    self.name,
                    str(error).splitlines()[0] if str(error) else type(error).__name__,
                )
            return False
        self._failures = 0
        return True

    def _write(self) -> None:
        store = self._connected()
        with explaining(self.uri):
            ended_by = self._ended_by
            if self._run_id is None:
                self._run_id = self._begin(store)
            self._flush(store, self._run_id)
            if ended_by is not None:
                self._mark_failed(store, self._run_id, ended_by)

    def _connected(self) -> Store:
        if self._store is None:
            with _IMPORTING:
                _import_mlflow(self.uri)
            self._store = open_store(self.uri)
        return self._store

    def _begin(self, store: Store) -> str:
        """Continue the unfinished live run of this key, or create one."""
        experiment_id = store.experiment(self.experiment)
        for run in store.runs_of_key(experiment_id, self.name, self.key, self.tags.get(names.WORKSPACE, "")):
            if run.data.tags.get(names.WRITER) == "live" and names.EVAL_KEY not in run.data.tags:
                self._take_up(store, run)
                return str(run.info.run_id)
        tags = {names.ROW: self.name, names.ROW_KEY: self.key, names.WRITER: "live"}
        run = store.client.create_run(
            experiment_id, start_time=self._begun_ms, run_name=self.name, tags={**self.tags, **tags}
        )
        return str(run.info.run_id)

    def _take_up(self, store: Store, run: Run) -> None:
        """Continue a run whose process died or failed: no point twice, and it is running again."""
        run_id = run.info.run_id
        for metric in run.data.metrics:
            history = store.client.get_metric_history(run_id, metric)
            self._known_steps[metric] = max(point.step for point in history)
        system = [step for name, step in self._known_steps.items() if _is_system(name)]
        first = max(system, default=-1) + 1
        self._samples += first
        waiting = [
            _Point(point.name, point.value, point.stamp, point.step + first) if _is_system(point.name) else point
            for point in self._points
        ]
        self._points.clear()
        self._points.extend(waiting)
        for tag, value in self.tags.items():
            if run.data.tags.get(tag) != value:
                store.client.set_tag(run_id, tag, value)
        if run.info.status != "RUNNING":
            store.client.update_run(run_id, status="RUNNING")
        if names.FAILURE in run.data.tags:
            store.client.delete_tag(run_id, names.FAILURE)

    def _mark_failed(self, store: Store, run_id: str, error: BaseException) -> None:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        for tag in ({names.FAILURE: names.shortened(said, names.MAX_TAG)} | names.ungrouped(self.tags)).items():
            store.client.set_tag(run_id, *tag)
        store.client.set_terminated(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")

    def _flush(self, store: Store, run_id: str) -> None:
        """Write the waiting points; those of a failed request wait again."""
        from mlflow.entities import Metric

        while self._points and not self.given_up:
            batch = [self._points.popleft() for _ in range(min(len(self._points), 1000))]
            fresh = [p for p in batch if p.step > self._known_steps.get(p.name, -1)]
            try:
                if fresh:
                    store.client.log_batch(run_id, metrics=[Metric(p.name, p.value, p.stamp, p.step) for p in fresh])
            except BaseException:  # whatever it was, the points wait again; raised again below
                self._points.extendleft(reversed(batch[: self.capacity - len(self._points)]))
                raise


def _import_mlflow(uri: str) -> None:
    """Import what the connection will need."""
    import importlib

    configure_environment()
    try:
        importlib.import_module("mlflow")
        if uri.startswith("sqlite"):
            importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
    except ModuleNotFoundError:
        return  # `open_store` says what to install


def _is_system(metric: str) -> bool:
    return metric.startswith(f"{names.SYSTEM}/")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
