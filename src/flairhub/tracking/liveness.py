"""Live runs whose training died without a word: told apart from those that still train, and marked.

Only the workspace whose process trained can tell: it looks for the lock that the kernel frees when a process ends,
however it ends. Runs of other machines and of other clones on the same server are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flairhub.config.workspace import Workspace
from flairhub.lineage.keys import weights_key
from flairhub.locks import held
from flairhub.records.layout import row_files
from flairhub.tracking import names
from flairhub.tracking.store import Store, workspace_mark
from flairhub.training.resume_state import training_state

if TYPE_CHECKING:
    from mlflow.entities import Run

KILLED = "its process ended without a result; `dvc repro` takes the training up again and continues this run"


def end_dead_runs(store: Store, workspace: Workspace, experiment_ids: Iterable[str]) -> tuple[str, ...]:
    """Mark runs KILLED that a dead process of this workspace left RUNNING.

    A run whose training has ended well waits for its evaluation and is left alone.

    Returns:
        Rows of the runs that were marked.
    """
    wanted = f"attributes.status = 'RUNNING' and tags.`{names.WORKSPACE}` = '{workspace_mark(workspace)}'"
    ended: list[str] = []
    for run in list(store.runs(experiment_ids, wanted)):
        if names.FINGERPRINT in run.data.tags or _lives(run, workspace):
            continue
        for tag in ({names.FAILURE: KILLED} | names.ungrouped(run.data.tags)).items():
            store.client.set_tag(run.info.run_id, *tag)
        store.client.set_terminated(run.info.run_id, "KILLED")
        ended.append(run.data.tags.get(names.ROW, run.info.run_id))
    return tuple(ended)


def _lives(run: Run, workspace: Workspace) -> bool:
    """Whether a process trains for the run, or has trained for it to the end."""
    tags = run.data.tags
    states = [training_state(workspace.state, key) for key in tags.get(names.TRAININGS, "").split(",") if key]
    if any(held(state.folder / "lock") for state in states):
        return True
    if states and all(state.final.is_dir() for state in states):
        return True
    # States are dropped once DVC holds the result; the evaluation may still be to come.
    present = weights_key(row_files(tags.get(names.ROW, ""), workspace.root).weights)
    return present is not None and present in {tags.get(names.ROW_KEY), *tags.get(names.TRAININGS, "").split(",")}
