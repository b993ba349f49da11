"""Small worlds for every room: rasters, archives, the real example."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.folders import geotiff

REPOSITORY = Path(__file__).resolve().parents[1]

pytest_plugins = (
    "tests.confusions",
    "tests.drawn_rows",
    "tests.fact_tables",
    "tests.loopback",
    "tests.networks",
    "tests.no_skips",
    "tests.page_repository",
    "tests.results",
)


@pytest.fixture(scope="session")
def treesat() -> Path:
    """Four real patches with all that real archives have: holes, zeros, repeated days (see its README)."""
    return REPOSITORY / "data" / "examples" / "treesat"


@pytest.fixture(scope="session", name="geotiff")
def geotiff_of() -> Callable[..., bytes]:
    """Encode [bands, H, W] as a GeoTIFF over one published footprint."""
    return geotiff


@pytest.fixture(scope="session")
def store_archive() -> Callable[..., Path]:
    """Write an archive from member paths and bytes, as a zip or as an extracted folder."""

    def write(
        folder: Path,
        name: str,
        members: Mapping[str, bytes],
        *,
        method: int = zipfile.ZIP_STORED,
        extracted: bool = False,
    ) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        if extracted:
            for member, data in members.items():
                path = folder / member
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            return folder / name
        path = folder / f"{name}.zip"
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
            warnings.simplefilter("ignore")  # a name that occurs twice is written on purpose
            for member, data in members.items():
                archive.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), data, compress_type=method)
        return path

    return write


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the graph first, the README's commands before all: they take minutes, and a worker that begins them last
    works on when all others have ended.
    """
    items.sort(key=lambda item: (item.get_closest_marker("graph") is None, item.path.name != "test_readme.py"))
