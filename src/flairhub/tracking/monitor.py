"""The live watchers of a row's trainings, as the training room asks for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from flairhub.config.workspace import Workspace
from flairhub.lineage.keys import row_key
from flairhub.tracking import names
from flairhub.tracking.live import LiveRun
from flairhub.tracking.store import tracking_uri, workspace_mark

_FAILURE_TIMEOUT_S = 30.0
"""How long a training that failed may wait for MLflow to be told so."""


def experiment_tags() -> dict[str, str]:
    """Tags of the DVC experiment in which this process runs; none outside of one."""
    names_of = {names.EXPERIMENTS: "DVC_EXP_NAME", names.BASELINE: "DVC_EXP_BASELINE_REV"}
    return {tag: os.environ[variable] for tag, variable in names_of.items() if os.environ.get(variable)}


@contextmanager
def live_monitor(
    workspace: Workspace, settings_uri: str | None, *, row: str, profile: str, keys: Mapping[int, str]
) -> Iterator[Callable[[int, str], LiveRun]]:
    """A maker of watchers, to be given to `rows.train.train_row`; all of them are closed at the end.

    All seeds of a row feed one run, the one that the sync completes. A watcher does nothing before its first value,
    so that only the process of rank zero connects.

    Args:
        workspace: its main folder holds the default store.
        settings_uri: address of the local settings, if any.
        row: row identifier.
        profile: profile of params.yaml; names the experiment.
        keys: seed -> key of its training, as in `lineage.keys.seed_keys`.

    Raises:
        TrackingError: the address is of a kind that MLflow does not serve. Nothing else of MLflow is ever raised.
    """
    uri = tracking_uri(workspace, settings_uri)
    first = next(iter(keys))
    tags = {
        names.PROFILE: profile,
        "mlflow.source.name": f"train@{row}",
        names.WORKSPACE: workspace_mark(workspace),
        names.TRAININGS: ",".join(keys.values()),
        **experiment_tags(),
        **names.ungrouped(experiment_tags()),
    }
    runs: list[LiveRun] = []

    def begin(seed: int, key: str) -> LiveRun:
        del key
        run = LiveRun(
            uri=uri,
            experiment=names.experiment_name(profile),
            key=row_key(dict(keys)),
            name=row,
            part="" if seed == first else f"seed-{seed}",
            tags=tags,
        )
        runs.append(run)
        return run

    try:
        yield begin
    except BaseException as error:  # also an interrupt ends the run; raised again below
        for run in runs[-1:]:  # the earlier ones have ended well
            run.close(_FAILURE_TIMEOUT_S if isinstance(error, Exception) else 5.0, error=error)
        raise
    finally:
        for run in runs:
            run.close()
