"""Real servers on the loopback interface, started and ended by the tests: PostgreSQL, an object store, MLflow."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

STARTS_S = 180


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(ready: Callable[[], Any], what: str, limit_s: float = STARTS_S) -> None:
    """Wait for a condition, for at most `limit_s` seconds."""
    end = time.monotonic() + limit_s
    while not ready():
        assert time.monotonic() < end, f"{what} did not happen within {limit_s} s"
        time.sleep(0.05)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def postgresql_binary(name: str) -> Path | None:
    """A program of PostgreSQL: Debian keeps the servers' ones outside PATH."""
    found = shutil.which(name)
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return Path(found) if found else (newest[-1] if newest else None)


@contextmanager
def postgresql() -> Iterator[str]:
    """A private PostgreSQL of an unprivileged user in a temporary folder; yields its address."""
    initdb, server = postgresql_binary("initdb"), postgresql_binary("postgres")
    if initdb is None or server is None:
        pytest.skip("no PostgreSQL server on this machine (Debian: apt-get install postgresql)")
    user: str | None = None
    if os.geteuid() == 0:  # PostgreSQL refuses root
        user = next(
            (name for name in ("postgres", "nobody") if name in {each.pw_name for each in pwd.getpwall()}), None
        )
        if user is None:
            pytest.skip("PostgreSQL refuses root, and there is no user postgres or nobody to run it as")
    # Not below pytest's folder, which only its own user may enter; and short, because of the socket's name.
    folder = Path(tempfile.mkdtemp(prefix="flairhub-pg-", dir="/tmp"))
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    port = free_port()
    options = ("-D", str(folder / "data"))
    quiet = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = None
    try:
        subprocess.run([initdb, *options, "-U", "flairhub", "-A", "trust", "--no-sync"], check=True, **quiet)
        where = ("-p", str(port), "-k", str(folder), "-h", "127.0.0.1", "-F")
        process = subprocess.Popen([server, *options, *where], start_new_session=True, **quiet)
        ready = postgresql_binary("pg_isready")
        assert ready is not None
        asked = [ready, "-q", "-h", "127.0.0.1", "-p", str(port)]
        until(lambda: subprocess.run(asked, check=False).returncode == 0, "the start of PostgreSQL")
        yield f"postgresql://flairhub:secret@127.0.0.1:{port}/postgres"
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # without waiting for those who are connected
            process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mute_server() -> Iterator[str]:
    """A server that accepts every connection and never says a word; yields its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def object_store(bucket: str) -> Iterator[str]:
    """An S3 server in this process with one bucket; yields its address."""
    pytest.importorskip("moto", reason="needs moto, of the extra `dev`")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    try:
        with_keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=address, **with_keys).create_bucket(Bucket=bucket)
        yield address
    finally:
        server.stop()


@contextmanager
def mlflow_server(
    folder: Path, *options: str, port: int | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real `mlflow server`; yields its address and the process, whose whole group is killed at the end."""
    port = port or free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (folder / f"server-{port}.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, *options], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), "the start of the MLflow server")
        yield f"http://127.0.0.1:{port}", process
    finally:
        kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for a server and its workers, at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
