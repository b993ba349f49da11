"""Real DVC, real stages and real commands, each in a process of its own that need not import the libraries again.

Importing torch, Lightning and Great Expectations takes longer than a stage of a tiny row. This process imports
libraries - nothing of the package, which each clone brings along - and forks: DVC is a child, its stages are children
of DVC. All else is as outside: signals, process groups, working folder, environment, exit status, output.

A `Moment` makes something happen at the n-th event inside a command: the opening of a file that is edited by users or
written by DVC, or the replacement, renaming or removal of any file.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import importlib.util
import io
import mmap
import os
import runpy
import shlex
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

LIBRARIES = (
    *("torch", "torchvision", "torch._dynamo", "lightning.pytorch", "segmentation_models_pytorch", "timm"),
    *("rasterio", "pyogrio", "pyarrow.parquet", "pyarrow.dataset", "pandas", "numpy", "scipy.ndimage", "scipy.stats"),
    *("great_expectations", "pydantic", "ruamel.yaml", "safetensors.torch", "matplotlib.pyplot", "jinja2", "tabulate"),
    *("tqdm", "PIL.Image", "psutil", "yaml", "dvc.cli", "dvc.commands.repro", "dvc.commands.checkout", "dvc.repo"),
    *("dvc.stage.run", "dvc.stage.cache", "dvc.repo.reproduce", "dvc.repo.checkout", "dvc.repo.status"),
)
PATIENCE = 600.0
"""Longest time that a command may take, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What happens inside a command, and when."""

    event: int = 0
    """Number of the event, from 1."""
    act: Callable[[], None] | None = None
    """Called in the process that got there; None: the whole process group is killed."""
    seconds: float | None = None
    """Instead of an event: the command's first process dies then, and all others right after it."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    status: int
    """Exit status; negative: the signal."""
    output: str
    events: int
    """How many there were."""


class Events:
    """A counter that all processes of a command share."""

    def __init__(self, moment: Moment | None) -> None:
        self._memory = mmap.mmap(-1, 8)
        self._moment = moment
        self._busy = False

    @property
    def count(self) -> int:
        return int(struct.unpack("q", self._memory[:8])[0])

    def happen(self) -> None:
        """Count one more; act where it is the one. Two processes of a command never run at once but to wait."""
        if self._busy:
            return
        self._memory[:8] = struct.pack("q", self.count + 1)
        if self._moment is None or self.count != self._moment.event:
            return
        if self._moment.act is None:
            os.killpg(0, signal.SIGKILL)
            time.sleep(60)
        self._busy = True
        try:
            self._moment.act()
        finally:
            self._busy = False


def become_dvc(folder: Path, module: str) -> None:
    """Go on as a program of that name, by which stages look for the DVC that started them.

    Args:
        folder: where a script of that name is written.
        module: whose `main` it calls.
    """
    if Path(sys.argv[0]).name == "dvc":
        return
    script = folder / "dvc"
    root = Path(__file__).parents[3]
    script.write_text(f"import sys\nsys.path.insert(0, {str(root)!r})\nfrom {module} import main\nsys.exit(main())\n")
    os.execv(sys.executable, [sys.executable, str(script), *sys.argv[1:]])


def preload(source: Path) -> None:
    """Import libraries as a stage would: with the variables that it leaves."""
    spec = importlib.util.spec_from_file_location("_surroundings", source / "flairhub" / "surroundings.py")
    assert spec is not None
    assert spec.loader is not None
    surroundings = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(surroundings)
    surroundings.own_libraries(os.environ)
    for name in [name for name in os.environ if name.startswith(("DVC_", "FLAIRHUB_", "MLFLOW_"))]:
        del os.environ[name]
    os.environ.pop("PYTHONPATH", None)
    os.environ |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "FLAIRHUB_PROGRESS": "0",
        "FLAIRHUB_WORKERS": "0",
        "FLAIRHUB_CHECKPOINT_SECONDS": "0",
        "FLAIRHUB_ACCELERATOR": "cpu",
    }
    sys.modules["mlflow"] = None  # type: ignore[assignment]  # a view, which takes longer than all the rest
    for name in LIBRARIES:
        importlib.import_module(name)
    sys.path[:] = [entry for entry in sys.path if not (Path(entry) / "flairhub").is_dir()]
    assert "flairhub" not in sys.modules
    gc.collect()
    gc.freeze()  # children need not look at all of it again


def dvc(folder: Path, *words: str, moment: Moment | None = None) -> Done:
    """`dvc WORDS` in a repository."""
    return _command(folder, lambda: _dvc(words), moment)


def flairhub(folder: Path, *words: str, moment: Moment | None = None) -> Done:
    """`flairhub WORDS` of a repository's own package."""
    return _command(folder, lambda: _flairhub(folder, words), moment)


def package(folder: Path, run: Callable[[], int]) -> Done:
    """A function that imports a repository's own package."""
    return _command(folder, lambda: _with_package(folder, run), None)


def _with_package(folder: Path, run: Callable[[], int]) -> int:
    sys.path.insert(0, str(folder / "src"))
    return run()


def _dvc(words: Sequence[str]) -> int:
    import dvc.cli
    import dvc.stage.run

    dvc.stage.run._run = _run_stage
    return int(dvc.cli.main(list(words)))


def _flairhub(folder: Path, words: Sequence[str]) -> int:
    sys.path.insert(0, str(folder / "src"))
    main = importlib.import_module("flairhub.cli.main")
    processes = importlib.import_module("flairhub.cli.processes")
    processes.DvcRuns.__call__ = lambda _self, *arguments: _status(_fork(lambda: _guarded_dvc(arguments)))
    return int(main.main(list(words)))


def _guarded_dvc(words: Sequence[str]) -> int:
    importlib.import_module("flairhub.cli.recorded").guard()
    return _dvc(words)


def _run_stage(_executable: str | None, cmd: str, **kwargs: Any) -> None:
    from dvc.stage.exceptions import StageCmdFailedError

    python, script, *arguments = shlex.split(cmd)
    assert python == "python"
    status = _status(_fork(lambda: _script(script, arguments, kwargs["cwd"], kwargs["env"])))
    if status != 0:
        raise StageCmdFailedError(cmd, status)


def _script(script: str, arguments: Sequence[str], folder: str, environment: Mapping[str, str]) -> int:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for name in [name for name in sys.modules if name.split(".")[0] == "flairhub"]:  # of `flairhub repro` before it
        del sys.modules[name]
    sys.argv = [script, *arguments]
    sys.path[:] = [str(Path(folder, script).parent), *(e for e in sys.path if not (Path(e) / "flairhub").is_dir())]
    sys.modules.pop("_stage", None)
    runpy.run_path(script, run_name="__main__")
    return 0


def _command(folder: Path, run: Callable[[], int], moment: Moment | None) -> Done:
    events = Events(moment)
    log = folder.parent / f"{folder.name}.log"

    def inside() -> int:
        os.setsid()
        os.chdir(folder)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        _watch(events)
        if moment is not None and moment.seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, moment.seconds)
        return run()

    pid = _fork(inside)
    status = _status(pid, patience=PATIENCE)
    _kill_rest(pid)
    return Done(status, log.read_text(errors="replace"), events.count)


def _fork(run: Callable[[], int]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _leave(run)
    return pid


def _leave(run: Callable[[], int]) -> NoReturn:
    status = 70
    try:
        status = run()
    except SystemExit as error:
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _status(pid: int, patience: float | None = None) -> int:
    until = None if patience is None else time.monotonic() + patience
    while True:
        done, status = os.waitpid(pid, 0 if until is None else os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if until is not None and time.monotonic() > until:
            os.killpg(pid, signal.SIGKILL)
            raise TimeoutError(f"a command took more than {patience} s")
        time.sleep(0.01)


def _kill_rest(group: int) -> None:
    """Until nobody is left: to DVC, a process that is dead but not yet collected still holds its locks."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise TimeoutError(f"a killed process of group {group} is not collected by its parent")


_OPENED = ("params.yaml", "dvc.lock", "archives.json", "weights.json")
"""Files whose opening is an event."""


def _watch(events: Events) -> None:
    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            events.happen()
            return function(*args, **kwargs)

        return call

    for name in ("replace", "rename", "link", "unlink", "remove"):
        setattr(os, name, counted(getattr(os, name)))
    plain = builtins.open

    def opened(file: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, str | os.PathLike) and str(file).endswith(_OPENED):
            events.happen()
        return plain(file, *args, **kwargs)

    builtins.open = io.open = opened
