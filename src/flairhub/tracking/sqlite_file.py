"""The SQLite file of the default store: its first creation, its artifacts beside it.

Two traps of a fresh SQLite file are handled here: two processes that create its tables at once (one dies in a
migration), and a process that is killed while it creates them (half a schema, which nothing repairs). Artifact
addresses inside the file are absolute: where the folder was moved, they are moved along.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from flairhub.errors import TrackingError
from flairhub.files import replacing
from flairhub.locks import locked
from flairhub.tracking import names
from flairhub.tracking.environment import configure_environment

SQLITE = "sqlite:///"
"""What the address of an SQLite file begins with."""

WAIT_S = 30.0
"""How long another program may hold the file, seconds."""

_log = logging.getLogger(__name__)


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite address; None for any other address."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def artifact_location(database: Path, experiment: str) -> str:
    """Address of an experiment's artifacts: a folder beside the SQLite file."""
    return (artifact_root(database) / names.slug(experiment)).as_uri()


def artifact_root(database: Path) -> Path:
    """Folder of all artifacts of an SQLite store."""
    return database.parent / "artifacts"


def prepare_database(path: Path) -> None:
    """Create the SQLite file with MLflow's tables, or check it and correct its artifact addresses.

    The tables are made in a temporary file that then takes the name, under a lock beside it: a file of that name
    is always complete.

    Raises:
        TrackingError: there is a file, but it is not a complete MLflow database.
    """
    configure_environment()
    with locked(path.with_name(f"{path.name}.lock")):
        if not path.is_file() or path.stat().st_size == 0:
            _create_database(path)
        try:
            _move_artifacts_along(path)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise TrackingError(
                    f"{path}: expected to write to it within {WAIT_S:.0f} s, but another program holds it locked; "
                    "nothing is damaged. End that program, or run `flairhub track` when it has ended."
                ) from None
            raise TrackingError(
                f"{path}: expected a complete MLflow database, but got: {error}. Move the file away and run "
                "`flairhub track`: the runs are made again from the pipeline's files."
            ) from None


def _create_database(path: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for leftover in path.parent.glob(f".{path.stem}.*"):
        leftover.unlink()  # of a process that was killed here: nobody else is, under the lock
    store: Any = SqlAlchemyStore
    with replacing(path) as temporary, _unsynced():
        # Its connections must be closed before the file takes its name.
        store(f"{SQLITE}{temporary}", artifact_location(path, "default")).engine.dispose()


@contextmanager
def _unsynced() -> Iterator[None]:
    """Let SQLite write without waiting for the disk: nobody knows the temporary file yet."""
    from sqlalchemy import Engine, event

    def relax(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)


def _move_artifacts_along(path: Path) -> None:
    """Point our experiments and their runs to the artifacts beside the file, wherever it lies now."""
    with closing(sqlite3.connect(path, timeout=WAIT_S)) as database, database:
        experiments = database.execute(
            "SELECT experiment_id, name, artifact_location FROM experiments WHERE name LIKE 'flairhub/%'"
        ).fetchall()
        for identifier, name, old in experiments:
            new = artifact_location(path, name)
            if old == new or not old.startswith(("file:", "/")):
                continue
            _log.warning("%s was moved: artifacts of %s now lie in %s", path, name, new)
            database.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
                "WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
                (new, len(old) + 1, identifier, len(old) + 1, f"{old}/"),
            )
            database.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, identifier))
            for column in ("source", "storage_location"):
                database.execute(
                    f"UPDATE model_versions SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608 - own words
                    (new, len(old) + 1, len(old) + 1, f"{old}/"),
                )
