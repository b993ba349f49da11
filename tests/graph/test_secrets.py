"""Passwords and tokens of the environment: used, and written nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.graph.conftest import clone_with_data
from tests.tracking.servers import free_port

pytestmark = pytest.mark.graph

SECRET = "hunter2-Zq8"
VARIABLES = ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def holders(folder: Path) -> list[str]:
    """Files of a clone with git's, DVC's, MLflow's and our own state that hold the secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 200
    return [path.relative_to(folder).as_posix() for path in files if SECRET.encode() in path.read_bytes()]


def test_no_secret_is_said_or_written(finished, tmp_path):
    clone = clone_with_data(finished, tmp_path / "clone", "--rows", "LC-G")
    address = f"127.0.0.1:{free_port()}"
    environment = dict.fromkeys(VARIABLES, SECRET)
    said = [clone.run("dvc", "repro", FLAIRHUB_TRACKING_URI=f"http://me:{SECRET}@{address}", **environment)]
    for store in (f"http://me:{SECRET}@{address}", f"postgresql://me:{SECRET}@{address}/mlflow"):
        variables = environment | {"FLAIRHUB_TRACKING_URI": store, "PYTHONPATH": str(clone.folder / "src")}
        for command in (("track",), ("card", "LC-G"), ("verify",)):
            said.append(clone.run("flairhub", *command, check=False, **variables))
            assert "Traceback" not in said[-1].stderr, said[-1].stderr
    assert any(address in done.stdout + done.stderr for done in said)  # the store was asked, and is named
    assert [done.args for done in said if SECRET in done.stdout + done.stderr] == []
    assert holders(clone.folder) == []
    assert holders_can_find(clone.folder)


def holders_can_find(folder: Path) -> bool:
    path = folder / ".flairhub" / "note"
    path.write_text(f"password={SECRET}\n")
    return holders(folder) == [".flairhub/note"]
