"""MLflow stores in a database server, used directly: addresses, the first creation of the tables, artifacts.

MLflow's own handling has three traps: it repeats a refused connection for 100 seconds, two processes that make the
tables at once break each other, and without an address for artifacts these go to a folder of whichever directory the
process happens to run in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flairhub.errors import TrackingError

if TYPE_CHECKING:
    from sqlalchemy import Engine

DRIVERS = {"postgresql": "postgresql+psycopg2", "postgres": "postgresql+psycopg2"}
"""Schemes without a driver, and with the one that the extra `server` installs. SQLAlchemy's own choice has changed."""

_LOCK = 0x666C61697268
"""Of PostgreSQL's advisory locks, the one held while MLflow's tables are made: "flairh" in ASCII."""

TABLE = "alembic_version"
"""What a database has once MLflow has begun to make its tables."""


class Address(str):
    """Address of an MLflow store that knows where the artifacts of new experiments go."""

    __slots__ = ("artifacts",)

    artifacts: str | None
    """Address below which every experiment gets a folder; None: where the store puts them by itself."""

    def __new__(cls, uri: str, artifacts: str | None = None) -> Address:
        """Join both addresses; the text is the store's alone."""
        address = super().__new__(cls, uri)
        address.artifacts = artifacts
        return address


def is_database(uri: str) -> bool:
    """Whether an address is that of a database server."""
    return urlsplit(uri).scheme.partition("+")[0] == "postgresql"


def with_driver(uri: str) -> str:
    """The address of a database with its driver named; any other address as it is."""
    scheme, mark, rest = uri.partition("://")
    return f"{DRIVERS.get(scheme, scheme)}{mark}{rest}"


def artifact_address(value: str | None, main: Path) -> str | None:
    """The artifact setting as an address: a path counts from the main workspace.

    Args:
        value: address or path; None where there is none.
        main: main workspace.
    """
    if not value:
        return None
    if urlsplit(value).scheme:
        return value.rstrip("/")
    return (main / Path(value).expanduser()).resolve().as_uri()


def prepare_server_database(uri: str, artifacts: str | None) -> None:
    """Make MLflow's tables in a database server if it has none; others wait meanwhile.

    Args:
        uri: address with driver.
        artifacts: root of artifacts, for MLflow's own experiment "Default".

    Raises:
        ModuleNotFoundError: the driver is not installed.
        SQLAlchemyError: the server does not answer or refuses.
    """
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(uri, poolclass=NullPool)
    with _held(engine, text), engine.connect() as connection:
        if not inspect(connection).has_table(TABLE):
            _create_tables(uri, artifacts)


@contextmanager
def _held(engine: Engine, text: Any) -> Iterator[None]:
    """Hold the lock; it ends with the connection, also where the process is killed."""
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        yield


def _create_tables(uri: str, artifacts: str | None) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store: Any = SqlAlchemyStore
    store(uri, artifacts or "mlflow-artifacts:/").engine.dispose()


def foreign_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """`others`, and errors of databases and object stores that MLflow passes on; only of installed libraries."""
    from sqlalchemy.exc import SQLAlchemyError

    found: list[type[Exception]] = [*others, SQLAlchemyError]
    try:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        return tuple(found)
    return (*found, Boto3Error, BotoCoreError, ClientError)


def require_artifacts(uri: str, artifacts: str | None, shown: str) -> None:
    """Refuse a database without an address for artifacts.

    Raises:
        TrackingError: there is none.
    """
    if is_database(uri) and artifacts is None:
        raise TrackingError(
            f"Expected to know where the artifacts of MLflow in {shown} go, but nothing says it; set `artifact_uri` of "
            "local.yaml or FLAIRHUB_ARTIFACT_URI, e.g. to s3://BUCKET/PREFIX or to a folder that all machines see."
        )
