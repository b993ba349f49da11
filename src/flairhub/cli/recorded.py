"""DVC as `flairhub` runs it records what it read before a stage, or fails.

DVC reads parameters and dependencies once to find a result in its cache or to run the stage, and once more afterwards,
for dvc.lock and the cache. What is edited in between would be recorded beside a result that it did not make, and hand
it out for ever. A stage looks itself at its end (`lineage.witness`); that leaves the moment after it, and results that
come from the cache without any stage.
"""

from __future__ import annotations

from typing import Any

from flairhub.records.listings import FOLDER as NOTES


def guard() -> None:
    """Make DVC, in this process, compare both readings; it raises its own exception where they differ."""
    from dvc.exceptions import DvcException
    from dvc.stage import Stage

    run, save = Stage._run_stage, Stage.save_deps

    def run_stage(stage: Any, dry: bool, force: bool, **options: Any) -> Any:
        if force and not dry:  # else DVC does it itself, or has just compared it with dvc.lock
            save(stage)
        result = run(stage, dry, force, **options)
        stage.read_before = None if dry else {str(dep): dep.hash_info for dep in stage.deps}
        return result

    def save_deps(stage: Any, allow_missing: bool = False) -> None:
        save(stage, allow_missing)
        before = vars(stage).pop("read_before", None)
        if before is None:
            return
        changed = [
            name
            for dep in stage.deps
            if not (name := str(dep)).startswith(f"{NOTES}/") and dep.hash_info != before[name]
        ]
        if changed:
            raise DvcException(
                f"Expected what {stage.addressing} depends on to stay as it was when DVC looked at it, but "
                f"{', '.join(changed)} changed; its result is not recorded. Run the command again."
            )

    Stage._run_stage, Stage.save_deps = run_stage, save_deps
