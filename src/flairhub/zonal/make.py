"""Making a map: the blocks that are missing, then the files."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

from flairhub.config.runtime import RuntimeSettings
from flairhub.errors import DataError
from flairhub.files import write_text
from flairhub.zonal.job import Job
from flairhub.zonal.ledger import Ledger, pending
from flairhub.zonal.outputs import Outputs, write_outputs
from flairhub.zonal.run import run


def make_map(
    job: Job,
    output: Path,
    wanted: Outputs,
    settings: RuntimeSettings,
    *,
    threads: int,
    restart: bool = False,
    progress: Callable[[int, int], None],
) -> list[Path]:
    """Make a map, or finish one that was begun; one that is there already is left alone.

    Args:
        job: the map.
        output: its folder.
        wanted: its files.
        settings: devices, workers, scheduler.
        threads: CPU threads of each process.
        restart: give up what another job has left in the folder.
        progress: called with the numbers of finished blocks and of all.

    Returns:
        The files of the map.

    Raises:
        BusyError: another process makes it.
        ConfigurationError: another map was begun in the folder.
        DataError: no pixel of the map has data.
    """
    ledger = Ledger(output, job.key())
    complete, state = ledger.folder / "complete", wanted.key(job)
    blocks = list(job.tiling.blocks(job.cores))
    with ledger.open(restart=restart):
        if complete.is_file() and complete.read_text(encoding="utf-8").split("\n")[0] == state:
            files = [output / name for name in complete.read_text(encoding="utf-8").split("\n")[1:] if name]
            if all(path.is_file() for path in files):
                ledger.clear()
                return files
        finished = count(len(blocks) - len(pending(blocks, ledger)))
        progress(next(finished), len(blocks))
        run(job, ledger, settings, threads=threads, progress=lambda _: progress(next(finished), len(blocks)))
        if not any((ledger.folder / "blocks").rglob("*.tif")):
            ledger.clear()
            raise DataError(
                f"{output}: expected a pixel of the map that has data, but there is none: nothing is written. Look at "
                "nodata, masks, and the area of interest."
            )
        made = list(write_outputs(job, ledger, ledger.folder / "files", wanted))
        files = [path.replace(output / path.name) for path in made]
        write_text(complete, "\n".join([state, *(path.name for path in files)]) + "\n")
        ledger.clear()
    return files
