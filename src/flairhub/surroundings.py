"""What a process inherits from its machine and must not depend on: variables of other installations, output, caches.

QGIS, OTB, conda or a job script leave variables that libraries read before anything else. `settle` is called first
by every stage and every command, before a library that reads them is imported; processes that these start inherit
what it leaves.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import TextIO

_FOREIGN = (
    *("PROJ_", "GDAL_", "CPL_", "OGR_", "OSR_", "GTIFF_", "VRT_"),  # rasterio and pyogrio
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "VECLIB_", "ONEDNN_", "DNNL_", "NPY_"),  # sums on the CPU
    *("ATEN_", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "TIMM_", "PL_TRAINER_"),  # the network
    *("MPLBACKEND", "MATPLOTLIBRC", "TQDM_"),  # how things look
    *("PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONSAFEPATH"),  # with which libraries or stages do not start
)
"""Variables that begin so choose another library's data, kernels or number of threads, or make decoration fail: our
wheels bring their own data, `train.threads` is the number of threads, and the setting `progress` is for bars."""

_NETWORK = ("GDAL_HTTP_", "GDAL_CURL_", "GDAL_PROXY_", "CPL_VSIL_CURL_", "PROJ_CURL_")
"""How to reach a server is this machine's business, and changes no number."""

_SERVER_DRIVERS = (
    *("WMS", "WCS", "WMTS", "HTTP", "DAAS", "EEDA", "EEDAI", "PLMOSAIC", "STACIT", "STACTA"),
    *("GTI", "Zarr", "KMLSUPEROVERLAY"),
)
"""GDAL's drivers whose files name servers to ask, as far as both wheels with GDAL have them (it warns of others)."""

_OURS = {
    "GDAL_SKIP": ",".join(_SERVER_DRIVERS),
    "GDAL_VRT_ENABLE_PYTHON": "NO",  # a virtual raster may name functions, not bring code
    "GDAL_CONFIG_FILE": os.devnull,  # else GDAL reads ~/.gdal/gdalrc
    "GDAL_DRIVER_PATH": "disable",  # else GDAL loads what lies in the system's folder of plugins
    # Threads that wait for each other spin for microseconds, then sleep: OpenMP's default of spinning for
    # milliseconds costs many times the work itself as soon as another process wants the core.
    "GOMP_SPINCOUNT": "10000",
    # Great Expectations and MLflow may neither call out nor delay a machine without network.
    "GX_ANALYTICS_ENABLED": "False",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}

_REMAINING = ("LD_LIBRARY_PATH", "LD_PRELOAD", "GLIBC_TUNABLES", "CUDA_", "CUDNN_", "CUBLAS", "NCCL_", "PYTORCH_")
"""What names devices, memory and networks of a machine stays, though it may choose another kernel or library."""


HUB_CACHE = Path("data", "weights", "hub")
"""Cache of the Hub's client in the main workspace: `resolve` and `flairhub pull --weights` keep there what rows start
from."""


def settle(state: Path | None) -> None:
    """Make this process, and those it starts, independent of what it inherited.

    Args:
        state: folder of the repository for what is neither tracked nor an output; None outside a repository.
    """
    own_libraries(os.environ)
    if state is not None:
        own_caches(state / "cache", os.environ)
        own_weights(state.parent / HUB_CACHE, os.environ)
    lasting_output()
    lasting_warnings()


def own_libraries(environment: MutableMapping[str, str]) -> None:
    """Remove the variables that would make a library use another installation's data or other kernels."""
    for name in _beginning(_FOREIGN, environment):
        if not name.startswith(_NETWORK):
            del environment[name]
    environment.update(_OURS)


def remaining(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables left in force that may still alter a last bit, to be recorded beside the result."""
    return {name: environment[name] for name in _beginning(_REMAINING, environment)}


def own_caches(folder: Path, environment: MutableMapping[str, str]) -> None:
    """Send caches of libraries to a folder where the user's own cannot be written, or there is no home at all.

    Args:
        folder: where they go then; made by whoever writes to it.
        environment: the variables to read and change.
    """
    home = _home(environment)
    if home is None:
        home = folder
        environment["HOME"] = str(folder)  # DVC and libraries ask for it when they are imported
    cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    if not _writable(cache):
        environment["XDG_CACHE_HOME"] = str(folder)
    drawing = [Path(environment["MPLCONFIGDIR"])] if environment.get("MPLCONFIGDIR") else [cache, config]
    if not all(map(_writable, drawing)):
        environment["MPLCONFIGDIR"] = str(folder / "matplotlib")


def own_weights(folder: Path, environment: MutableMapping[str, str]) -> None:
    """Let the Hub's client, through which libraries load their weights, keep them in a folder of the repository.

    Args:
        folder: used where it exists, unless somebody has chosen another one by HF_HUB_CACHE.
        environment: the variables to read and change.
    """
    if folder.is_dir() and not environment.get("HF_HUB_CACHE"):
        environment["HF_HUB_CACHE"] = str(folder.resolve())


def _home(environment: Mapping[str, str]) -> Path | None:
    """The home folder; None where nobody named one, or a service's account has a file (/dev/null) in its place."""
    try:
        home = Path(environment.get("HOME") or Path.home())
    except RuntimeError:  # neither a variable nor an entry for this user
        return None
    return None if home.exists() and not home.is_dir() else home


def _writable(folder: Path) -> bool:
    """Whether a folder can be made, or be written to where there is one."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _beginning(prefixes: tuple[str, ...], names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(prefixes))


class _Output(io.FileIO):
    """A descriptor that text can be written to even when nobody reads it any more."""

    lost: OSError | None = None
    """What the first write that failed met."""

    def write(self, data: object, /) -> int:
        """As `FileIO.write`; what cannot be written counts as written."""
        size = memoryview(data).nbytes  # type: ignore[arg-type]  # bytes-like; typeshed's Buffer is 3.12's
        if self.lost is None:
            try:
                return super().write(data) or size  # type: ignore[arg-type]  # as above; None: would block
            except OSError as error:
                self.lost = error
        return size


def lasting_output() -> None:
    """Let nothing that is printed end the process.

    A character that the terminal's encoding lacks is written as its escape; output that nobody reads - a closed pipe,
    a closed terminal, a full disk - is dropped. Closed descriptors are opened on nothing, or the next file that is
    opened would receive what libraries print. Streams that somebody else put in place (a test, a notebook) stay.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    if sys.stdout is sys.__stdout__:
        sys.stdout = _lasting(sys.stdout, 1)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _lasting(sys.stderr, 2)


def _lasting(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is not None:
        stream.flush()
    raw = _Output(descriptor, "w", closefd=False)
    raw.name = f"<{'stdout' if descriptor == 1 else 'stderr'}>"
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding="utf-8" if stream is None else stream.encoding,
        errors="backslashreplace",
        line_buffering=descriptor == 2 or raw.isatty(),
        write_through=descriptor == 2,
    )


def lasting_warnings() -> None:
    """Warnings that were to be errors (`PYTHONWARNINGS=error`, `python -W error`) are warnings, of libraries too."""
    if any(option.startswith("error") for option in sys.warnoptions):
        sys.warnoptions.clear()  # which processes that this one starts are given too
        warnings.simplefilter("default")


def lost_output() -> OSError | None:
    """Why what was printed did not arrive, as far as it was flushed; None if it did, or if its reader went away."""
    sys.stdout.flush()
    lost = getattr(getattr(getattr(sys.stdout, "buffer", None), "raw", None), "lost", None)
    return None if isinstance(lost, BrokenPipeError) else lost
