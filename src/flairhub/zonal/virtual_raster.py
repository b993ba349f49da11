"""Many rasters seen as one: folders of tiles, tile indexes and lists of files become a virtual raster of GDAL."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import rasterio
from rasterio import Affine
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError

from flairhub.archives.virtual import require_local_sources
from flairhub.errors import DataError, MissingFileError
from flairhub.files import write_text
from flairhub.zonal.grid import ALIGNED
from flairhub.zonal.layers import alpha_band, alpha_is_data, has_mask
from flairhub.zonal.windows import Window

RASTERS = (".tif", ".tiff", ".jp2", ".vrt", ".img", ".png", ".jpg", ".asc")
INDEXES = (".gpkg", ".shp", ".geojson", ".fgb", ".parquet")
"""Suffixes of vector files whose column `location` names rasters, as `gdaltindex` writes them."""

_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "uint64": "UInt64",
    "int64": "Int64",
    "float32": "Float32",
    "float64": "Float64",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tile:
    path: str
    crs: str | None
    transform: Affine
    height: int
    width: int
    dtypes: tuple[str, ...]
    nodata: float | None
    masked: bool
    alpha: int | None
    """1-based alpha band."""
    hidden_alpha: bool
    """Whether a band that is called alpha is a band of the modality."""
    descriptions: tuple[str | None, ...]


def one_raster(modality: str, paths: Sequence[str], virtual: Path, notices: list[str] | None = None) -> str:
    """A path that GDAL opens as one raster.

    Args:
        modality: what the rasters are of.
        paths: rasters, folders of rasters, or tile indexes; local, or GDAL's `/vsi...` and URLs.
        virtual: where the virtual raster is written, if one is needed.
        notices: gets what the user should know.

    Raises:
        MissingFileError: a path does not exist, or a folder has no raster.
        DataError: the rasters do not share reference system, pixel size, bands and types.
    """
    files = sorted(dict.fromkeys(file for path in paths for file in _files(path)))
    tiles = [_read(modality, file) for file in files]
    if len(files) == 1 and not tiles[0].hidden_alpha:
        return files[0]
    for tile in tiles[1:]:
        _check(tiles[0], tile)
    corner = _corner(tiles)
    away = max(abs(place - round(place)) for tile in tiles for place in _place(corner, tile))
    if notices is not None and away >= ALIGNED:
        notices.append(
            f"{modality}: tiles lie up to {away:.2g} of a pixel beside one grid and are moved onto it; bring them to "
            "one (gdalwarp -tap) where that matters."
        )
    write_text(virtual, _virtual(tiles))
    return str(virtual.resolve())


def _files(path: str) -> Iterator[str]:
    if path.startswith("/vsi") or "://" in path:
        yield path
        return
    local = Path(path).expanduser()
    if local.is_dir():
        files = [str(file.resolve()) for file in sorted(local.rglob("*")) if file.suffix.lower() in RASTERS]
        if not files:
            raise MissingFileError(f"Expected rasters ({', '.join(RASTERS)}) in the folder {local}, but found none.")
        yield from files
    elif not local.is_file():
        raise MissingFileError(f"Expected a raster, a folder of rasters or a tile index, but {local} does not exist.")
    elif local.suffix.lower() in INDEXES:
        yield from _indexed(local)
    else:
        yield str(local.resolve())


def _indexed(path: Path) -> Iterator[str]:
    import pandas
    import pyogrio

    try:
        parquet = path.suffix.lower() == ".parquet"
        table = pandas.read_parquet(path) if parquet else pyogrio.read_dataframe(path, read_geometry=False)
    except (pyogrio.errors.DataSourceError, ValueError, OSError):  # no table: a GeoPackage may hold a raster
        yield str(path.resolve())
        return
    column = next((name for name in table.columns if name.lower() == "location"), None)
    if column is None:
        raise DataError(
            f"{path}: expected a tile index with a column `location` of rasters, as gdaltindex writes it, but it has "
            f"{', '.join(map(str, table.columns)) or 'no column'}."
        )
    for location in table[column]:
        text = str(location)
        yield text if text.startswith("/") or "://" in text else str((path.parent / text).resolve())


def _read(modality: str, path: str) -> _Tile:
    require_local_sources(Path(path))
    try:
        with rasterio.open(path) as raster:
            _check_values(modality, raster)
            hidden = alpha_is_data(modality, raster)
            return _Tile(
                path=path,
                crs=None if raster.crs is None else raster.crs.to_wkt(),
                transform=raster.transform,
                height=raster.height,
                width=raster.width,
                dtypes=raster.dtypes,
                nodata=raster.nodata,
                masked=has_mask(raster) or (alpha_band(raster) is not None and not hidden),
                alpha=None if hidden else alpha_band(raster),
                hidden_alpha=hidden,
                descriptions=raster.descriptions,
            )
    except (RasterioError, UnicodeDecodeError) as error:  # the latter: a CRS whose name is no text
        raise DataError(f"{modality}: expected a raster that GDAL reads at {path}, but got: {error}.") from None


def _check_values(modality: str, raster: rasterio.DatasetReader) -> None:
    """Refuse rasters whose values are no measurements."""
    if raster.count == 0:
        raise DataError(f"{modality}: expected a raster with bands, but {raster.name} holds none, or several rasters.")
    if ColorInterp.palette in raster.colorinterp:
        raise DataError(
            f"{modality}: expected measured values, but {raster.name} holds numbers of the colours of a palette; "
            "write the colours first (gdal_translate -expand rgb)."
        )
    strange = sorted(set(raster.dtypes) - set(_TYPES))
    if strange:
        raise DataError(f"{modality}: expected real numbers, but {raster.name} has values of type {strange[0]}.")


def _virtual(tiles: Sequence[_Tile]) -> str:
    first = tiles[0]
    left, top = corner = _corner(tiles)
    places = [
        (tile, Window(round(row), round(column), tile.height, tile.width))
        for tile in tiles
        for column, row in [_place(corner, tile)]
    ]
    height = max(place.row + place.height for _, place in places)
    width = max(place.column + place.width for _, place in places)
    own = first.transform
    root = vrt_root(first.crs, Affine(own.a, own.b, left, own.d, own.e, top), height, width)
    for number, dtype in enumerate(first.dtypes, 1):
        band = ET.SubElement(root, "VRTRasterBand", {"dataType": _TYPES[dtype], "band": str(number)})
        if first.descriptions[number - 1]:
            ET.SubElement(band, "Description").text = first.descriptions[number - 1]
        if first.nodata is not None:
            ET.SubElement(band, "NoDataValue").text = repr(first.nodata)
        for tile, place in places:
            add_source(band, tile.path, str(number), place, first.nodata)
    if first.nodata is None and (len(tiles) > 1 or first.masked):
        mask = ET.SubElement(ET.SubElement(root, "MaskBand"), "VRTRasterBand", {"dataType": "Byte"})
        for tile, place in places:
            add_source(mask, tile.path, "mask,1" if tile.alpha is None else str(tile.alpha), place)
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


def _corner(tiles: Sequence[_Tile]) -> tuple[float, float]:
    """Where the first column and the first row of all begin."""
    left = min(tile.transform.c for tile in tiles)
    return left, (max if tiles[0].transform.e < 0 else min)(tile.transform.f for tile in tiles)


def _place(corner: tuple[float, float], tile: _Tile) -> tuple[float, float]:
    """Column and row of a tile from the corner of all."""
    own = tile.transform
    return (own.c - corner[0]) / own.a, (own.f - corner[1]) / own.e


def vrt_root(crs: str | None, transform: Affine, height: int, width: int) -> ET.Element:
    """A virtual raster without bands."""
    root = ET.Element("VRTDataset", {"rasterXSize": str(width), "rasterYSize": str(height)})
    if crs is not None:
        ET.SubElement(root, "SRS").text = crs
    ET.SubElement(root, "GeoTransform").text = ", ".join(repr(float(v)) for v in transform.to_gdal())
    return root


def add_source(band: ET.Element, path: str, number: str, place: Window, nodata: float | None = None) -> None:
    """Let a band (or `mask,1`) of a whole raster be a part of a virtual one's band."""
    source = ET.SubElement(band, "SimpleSource" if nodata is None else "ComplexSource")
    ET.SubElement(source, "SourceFilename", {"relativeToVRT": "0"}).text = path
    ET.SubElement(source, "SourceBand").text = number
    size = {"xSize": str(place.width), "ySize": str(place.height)}
    ET.SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0", **size})
    ET.SubElement(source, "DstRect", {"xOff": str(place.column), "yOff": str(place.row), **size})
    if nodata is not None:
        ET.SubElement(source, "NODATA").text = repr(nodata)


def _check(first: _Tile, tile: _Tile) -> None:
    same = {
        "reference system": (first.crs, tile.crs),
        "band types": (first.dtypes, tile.dtypes),
        "nodata value": (str(first.nodata), str(tile.nodata)),
    }
    for what, (expected, found) in same.items():
        if expected != found:
            raise DataError(
                f"{tile.path}: expected a tile with the {what} of {first.path}, {expected}, but got {found}; "
                "bring the tiles to one form first (gdalwarp, gdal_translate)."
            )
    own, other = first.transform, tile.transform
    straight = own.b == own.d == other.b == other.d == 0
    if not (straight and math.isclose(own.a, other.a, rel_tol=1e-6) and math.isclose(own.e, other.e, rel_tol=1e-6)):
        raise DataError(
            f"{tile.path}: expected a tile along the axes with the pixels of {first.path}, {own.a} x {-own.e}, but got "
            f"{other.a} x {-other.e}{'' if straight else ', rotated'}; resample the tiles to one grid."
        )
