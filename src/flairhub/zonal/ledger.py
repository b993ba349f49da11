"""Which blocks of a map are finished, and where they lie until the map is written.

A block's file appears whole, then its name is noted; what is noted is never computed again. A folder belongs to one
job: another one is refused until the first is finished or given up.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flairhub.errors import ConfigurationError
from flairhub.files import replacing, write_text
from flairhub.locks import locked
from flairhub.zonal.windows import Block

FOLDER = ".zonal"


class Ledger:
    """The finished blocks of one job.

    Args:
        output: folder of the map; state lies in a hidden folder in it.
        key: of the job.
    """

    def __init__(self, output: Path, key: str) -> None:
        self.folder = output / FOLDER
        self._key = key

    @contextmanager
    def open(self, *, restart: bool = False) -> Iterator[None]:
        """Be the only process that writes the map.

        Args:
            restart: give up what another job has left.

        Raises:
            BusyError: another process writes into the folder.
            ConfigurationError: another job has left blocks there.
        """
        with locked(self.folder / "lock", wait=False):
            job = self.folder / "job"
            found = job.read_text(encoding="utf-8").strip() if job.is_file() else None
            if found not in {None, self._key}:
                if not restart:
                    raise ConfigurationError(
                        f"{self.folder.parent}: expected an empty folder or an unfinished map of the same inputs and "
                        "options, but another one was begun there; give the same options to finish it, --restart to "
                        "drop it, or another --output."
                    )
                self.clear()
            write_text(job, self._key + "\n")
            yield

    def finished(self) -> set[str]:
        """Names of the finished blocks."""
        path = self.folder / "finished"
        if not path.is_file():
            return set()
        lines = path.read_text(encoding="utf-8").split("\n")
        return set(lines[:-1])  # a line that a kill cut short has no end

    def note(self, block: str) -> None:
        """Note a block as finished; its files must be there."""
        path = self.folder / "finished"
        with path.open("ab") as handle:
            if handle.tell() and path.read_bytes()[-1:] != b"\n":
                handle.write(b"\n")
            handle.write(f"{block}\n".encode())
            handle.flush()
            os.fsync(handle.fileno())

    def clear(self) -> None:
        """Remove blocks and notes, and what was made of them on the way."""
        for name in ("finished", "job"):
            (self.folder / name).unlink(missing_ok=True)
        for name in ("blocks", "resampled", "files"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for path in self.folder.glob("*.vrt"):
            path.unlink()


def block_path(folder: Path, task: str, layer: str, name: str) -> Path:
    """File of a block's layer under the ledger's folder; there is none where the whole block has no data."""
    return folder / "blocks" / f"{task}.{layer}" / f"{name}.tif"


def write_block(
    folder: Path, block: Block, arrays: Mapping[tuple[str, str], npt.NDArray[np.uint8]], empty: int
) -> None:
    """Write the layers `[bands, H, W]` of a block, by (task, layer), but those that hold nothing except `empty`."""
    import rasterio
    from rasterio import Affine

    from flairhub.maps.whole import require_whole

    for (task, layer), array in arrays.items():
        path = block_path(folder, task, layer, block.name)
        if (array == empty).all():
            path.unlink(missing_ok=True)
            continue
        bands, height, width = array.shape
        with replacing(path) as temporary:
            with rasterio.open(
                temporary,
                "w",
                driver="GTiff",
                count=bands,
                height=height,
                width=width,
                transform=Affine.translation(block.window.column + 1, block.window.row + 1),  # GDAL warns at (0, 0)
                dtype="uint8",
                tiled=True,
                blockxsize=512,
                blockysize=512,
                compress="zstd",
                zstd_level=1,
                interleave="band",
                photometric="minisblack",
            ) as raster:
                raster.write(array)
            require_whole(temporary)


def pending(blocks: Iterable[Block], ledger: Ledger) -> list[Block]:
    """Blocks that are not finished, in order."""
    done = ledger.finished()
    return [block for block in blocks if block.name not in done]
