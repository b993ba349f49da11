from __future__ import annotations

import errno
import resource
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from flairhub.cli import main as command_line
from flairhub.errors import machine_trouble
from flairhub.files import write_json

LIMIT = 4096


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "models/a"), "with models/a, but the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the quota of the disk is used up"),
        (OSError(errno.EROFS, "Read-only file system", "data"), "the disk is read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "data"), "with data, but this user may not do that"),
        (OSError(errno.EFBIG, "File too large"), "`ulimit -f`"),
        (MemoryError(), "there is no memory left"),
        (BrokenProcessPool("A process in the process pool was terminated abruptly"), "a worker was killed"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "lower the settings `workers`"),
        (RuntimeError("DataLoader worker (pid(s) 7, 8) exited unexpectedly"), "lower the settings `workers`"),
        (sqlite3.OperationalError("database or disk is full"), "the disk took only a part"),
        (sqlite3.OperationalError("database is locked"), "another process keeps it locked"),
    ],
)
def test_what_the_machine_refuses_is_one_sentence_with_a_remedy(error: BaseException, words: str):
    sentence = machine_trouble(error)
    assert sentence is not None
    assert words in sentence
    assert sentence.endswith("the same command goes on from here.")


@pytest.mark.parametrize(
    "error", [ValueError("x"), RuntimeError("shapes differ"), OSError("x"), FileNotFoundError(2, "x"), KeyError("a")]
)
def test_a_defect_keeps_its_traceback(error: BaseException):
    assert machine_trouble(error) is None


def test_a_command_that_meets_it_prints_the_sentence_and_ends_with_1(monkeypatch, capsys, tmp_path):
    def run(_arguments):
        raise OSError(errno.ENOSPC, "No space left on device", "reports/x")

    parser = command_line.build_parser()
    monkeypatch.setattr(command_line, "build_parser", lambda: parser)
    monkeypatch.setattr(parser, "parse_args", lambda _: type("A", (), {"run": staticmethod(run), "traceback": False})())
    monkeypatch.chdir(tmp_path)
    assert command_line.main([]) == 1
    assert "flairhub: Expected to go on with reports/x, but the disk is full" in capsys.readouterr().err


SCRIPT = """
import resource, signal, sys
from pathlib import Path
from flairhub.errors import machine_trouble
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
{body}
"""

WRITERS = {
    "json": "from flairhub.files import write_json as write; content = ['x' * 100] * 500",
    "text": "from flairhub.files import write_text as write; content = 'x' * 50000",
    "weights": (
        "import torch\nfrom flairhub.files import replacing\n"
        "def write(path, content):\n"
        "    with replacing(path) as t: torch.save(content, t)\n"
        "content = torch.zeros(50000)"
    ),
    "table": (
        "import numpy, pyarrow\nfrom flairhub.audit.valid import write_valid as write\n"
        "content = pyarrow.table({'a': numpy.random.default_rng(0).random(50000)})"
    ),
}


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_a_disk_that_takes_no_more_leaves_the_old_output_whole(tmp_path: Path, kind: str):
    """A limit on the size of files fails a write half-way, as a full disk does."""
    path = tmp_path / f"out.{'parquet' if kind == 'table' else 'pt' if kind == 'weights' else 'json'}"
    write_json(path, {"old": True})
    before = path.read_bytes()
    body = (
        f"{WRITERS[kind]}\n"
        "try:\n"
        "    write(Path(sys.argv[1]), content)\n"
        "except (OSError, RuntimeError) as error:\n"
        "    print(machine_trouble(error) or f'no sentence: {error!r}')\n"
        "else:\n"
        "    print('written')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(limit=LIMIT, body=body), str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "written" not in done.stdout, done.stderr
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert ("took only a part" if kind == "weights" else "raise the limit") in done.stdout, (done.stdout, done.stderr)


def test_the_limit_of_these_tests_is_not_that_of_the_others():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert signal.getsignal(signal.SIGXFSZ) in {signal.SIG_IGN, signal.SIG_DFL}
