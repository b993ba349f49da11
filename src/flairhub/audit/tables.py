"""Check tables of the audit: what the judge sees of files, patches, bands and the split table.

Each is derived from the table of facts, archive by archive, with one column per check (see `audit.checks`).
Null values say that a check does not apply: of a file that cannot be opened only its error is judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.audit.content import CONTENT_FACTS, add_content, copies
from flairhub.audit.exchange import COMPARED, BandLevels, add_exchanged, band_levels, joined, order_ratios
from flairhub.audit.value_columns import FILE_VALUES, add_file_values
from flairhub.catalog.modalities import MODALITIES
from flairhub.errors import DataError, MissingFileError
from flairhub.facts.lists import fact_bands, is_among, list_matrix
from flairhub.facts.tables import iter_patches, read_splits

if TYPE_CHECKING:
    import pyarrow as pa

_FACTS = (
    "patch_id",
    "modality",
    "height",
    "width",
    "num_bands",
    "num_dates",
    "num_metadata_dates",
    "dtype",
    "crs",
    "left",
    "bottom",
    "right",
    "top",
    "nodata_share",
    "nan_share",
    "error",
    *CONTENT_FACTS,
)
_OTHER_DTYPES: dict[str, tuple[str, ...]] = {"SENTINEL2_MSK-SC": ("uint8",), "SPOT_RGBI": ("uint8",)}
"""Types that sources name beside the published one; which is right is not settled."""


def domain_years(patch_ids: pd.Series) -> pd.Series:
    """`<DOMAIN>-<YEAR>` of each patch id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = pc.split_pattern(pa.array(patch_ids, pa.string()), "_", max_splits=1)
    return pd.Series(pd.array(pc.list_element(parts, 0), dtype="str"), index=patch_ids.index)


def layer_tables(index: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the facts of all files once and derive the columns that their checks need.

    Returns:
        One row per (patch, modality), and one per (modality, band) of mono-date rasters and series.

    Raises:
        MissingFileError: the index was not built.
        DataError: it has no patch.
    """
    parts: list[pd.DataFrame] = []
    extremes: dict[str, NDArray[np.float64]] = {}
    levels: dict[str, list[BandLevels]] = {}
    for part in iter_patches(index, None, [*_FACTS, *FILE_VALUES, "band_m2", "label_counts"]):
        if part.num_rows == 0:
            continue
        modality = str(part.column("modality")[0])
        frame: pd.DataFrame = part.select(list(_FACTS)).to_pandas()
        add_content(frame, part, modality)
        add_file_values(frame, part, modality)
        parts.append(frame)
        if modality in COMPARED:
            domains = domain_years(frame["patch_id"]).to_numpy(dtype=object)
            levels.setdefault(modality, []).append(band_levels(part, modality, domains))
        if MODALITIES[modality].kind in {"mono", "series"}:
            extremes[modality] = _widen(extremes.get(modality), part, modality)
    if not parts:
        raise DataError(
            f"Expected facts of at least one patch in {index}, but got none; check data.subset.domains and pull."
        )
    whole = {modality: joined(each) for modality, each in levels.items()}
    layers = _derive(pd.concat(parts, ignore_index=True))
    add_exchanged(layers, whole)
    return layers, _band_table(extremes, whole)


def patch_table(layers: pd.DataFrame, splits: pd.DataFrame | None) -> pd.DataFrame:
    """One row per patch: `patch_id, missing_modalities, modality` (names of those), `not_in_split_table`.

    What a patch should have is what any patch has; `not_in_split_table` is null without a split table.
    """
    codes, patch_ids = pd.factorize(layers["patch_id"], sort=True)
    table = pd.DataFrame({"patch_id": np.asarray(patch_ids)})
    missing = np.zeros(len(table))
    names = np.full(len(table), "", dtype=object)
    present = layers["modality"].unique()
    for modality in [name for name in MODALITIES if name in present]:
        absent = np.ones(len(table), dtype=bool)
        absent[codes[(layers["modality"] == modality).to_numpy()]] = False
        missing += absent
        names[absent] += f", {modality}"
    table["missing_modalities"] = missing
    table["modality"] = pd.Series(names, dtype="str").str.removeprefix(", ").where(missing > 0)
    table["not_in_split_table"] = np.nan
    if splits is not None:
        table["not_in_split_table"] = (~is_among(table["patch_id"], splits["patch_id"])).astype(float)
    return table


def split_table(layers: pd.DataFrame, splits: pd.DataFrame | None) -> pd.DataFrame:
    """One row per patch of the split table whose domain-year the data have: `patch_id, without_files, listed`.

    `listed` is how many times the table has the patch.
    """
    if splits is None:
        numbers = {name: pd.Series(dtype="float64") for name in ("without_files", "listed")}
        return pd.DataFrame({"patch_id": pd.Series(dtype="str"), **numbers})
    here = is_among(domain_years(splits["patch_id"]), layers["domain_year"].unique())
    table = pd.DataFrame({"patch_id": splits["patch_id"][here].sort_values().to_numpy()})
    table["without_files"] = (~is_among(table["patch_id"], layers["patch_id"].unique())).astype(float)
    table["listed"] = table.groupby("patch_id")["patch_id"].transform("size").astype(float)
    return table.drop_duplicates("patch_id", ignore_index=True)


def optional_splits(index: Path) -> pd.DataFrame | None:
    """The official split table, or None where the data have none."""
    try:
        return read_splits(index)
    except MissingFileError:
        return None


def most_frequent(table: pd.DataFrame, group: str, values: Sequence[str]) -> pd.DataFrame:
    """Per group the most frequent combination of values; the smallest one among equals. Indexed by group."""
    counts = table.groupby([group, *values], sort=True, observed=True).size().rename("times").reset_index()
    ordered = counts.sort_values([group, "times", *values], ascending=[True, False, *[True] * len(values)])
    return ordered.drop_duplicates(group).set_index(group)


def _of_modality(table: pd.DataFrame, known: Mapping[str, Any]) -> pd.Series:
    """What is known of each row's modality; as `map`, which looks every row up."""
    codes, names = pd.factorize(table["modality"])
    return pd.Series([known[name] for name in names]).take(codes).set_axis(table.index)


def _derive(table: pd.DataFrame) -> pd.DataFrame:
    opened = table["num_bands"].notna()  # a raster with the wrong bands has an error, too, but a place and a size
    kinds = _of_modality(table, {name: modality.kind for name, modality in MODALITIES.items()})
    table["domain_year"] = domain_years(table["patch_id"])
    bands = _of_modality(table, {name: len(modality.bands) for name, modality in MODALITIES.items()})
    series = kinds.isin(["series", "mask"])
    table["surplus_bands"] = (table["num_bands"] % bands).where(series, table["num_bands"] - bands)
    table["surplus_dates"] = (table["num_dates"] - table["num_metadata_dates"]).where(series)
    table["surplus_mask_dates"] = _surplus_mask_dates(table)
    table["other_dtype"] = (~_dtype_expected(table)).astype(float)
    table["crs"] = table["crs"].fillna("none")
    table["copies"] = copies(table)
    table["other_crs"] = _differs(table, opened, "domain_year", ["crs"])
    table["no_crs"] = (table["crs"] == "none").astype(float).where(table["other_crs"] == 0)  # else that says it
    table["other_size"] = _differs(table, opened, "modality", ["height", "width"])
    table["offset_px"] = _offset_px(table, opened, kinds)
    table["missing_share"] = (table["nodata_share"].fillna(0) + table["nan_share"].fillna(0)).where(kinds == "mono")
    judged = ["surplus_bands", "surplus_dates", "surplus_mask_dates", "other_dtype", "missing_share", "outside_pixels"]
    judged += ["no_crs", "scored_pixels", "black_share"]
    table.loc[~opened, judged] = np.nan
    return table


def _dtype_expected(table: pd.DataFrame) -> pd.Series:
    expected = pd.Series(False, index=table.index)
    for name, modality in MODALITIES.items():
        dtypes = {modality.dtype, *_OTHER_DTYPES.get(name, ())}
        expected |= (table["modality"] == name) & table["dtype"].isin(dtypes)
    return expected


def _differs(table: pd.DataFrame, opened: pd.Series, group: str, values: list[str]) -> pd.Series:
    """1 where an opened file differs from the most frequent values of its group, 0 where not."""
    usual = most_frequent(table[opened], group, values)
    equal = pd.Series(True, index=table.index)
    for value in values:
        equal &= table[value] == table[group].map(usual[value])
    return (~equal).astype(float).where(opened)


def _surplus_mask_dates(table: pd.DataFrame) -> pd.Series:
    """Dates of a mask minus dates of its series, on the mask's row; null without the series."""
    surplus = pd.Series(np.nan, index=table.index)
    for name, modality in MODALITIES.items():
        if modality.companion is None:
            continue
        series = table[table["modality"] == name].drop_duplicates("patch_id").set_index("patch_id")["num_dates"]
        masks = table["modality"] == modality.companion
        surplus[masks] = table.loc[masks, "num_dates"] - series.reindex(table.loc[masks, "patch_id"]).to_numpy()
    return surplus


def _offset_px(table: pd.DataFrame, opened: pd.Series, kinds: pd.Series) -> pd.Series:
    """Largest distance between an edge of the file and that of the patch, in pixels of the file.

    The patch is where its label lies, since the others have to match that; without a label, where its finest
    raster lies.
    """
    edges = ["left", "right", "bottom", "top"]
    boxes = table.loc[opened, ["patch_id", *edges]].copy()
    boxes["pixel_x"] = ((table["right"] - table["left"]) / table["width"])[opened]
    boxes["pixel_y"] = ((table["top"] - table["bottom"]) / table["height"])[opened]
    boxes["rank"] = (kinds[opened] != "label").astype(int)
    first = boxes.sort_values(["patch_id", "rank", "pixel_x"], kind="stable").drop_duplicates("patch_id")
    reference = first.set_index("patch_id")[edges].reindex(boxes["patch_id"])
    distance = np.abs(boxes[edges].to_numpy() - reference.to_numpy())
    pixel = boxes[["pixel_x", "pixel_x", "pixel_y", "pixel_y"]].to_numpy()
    return pd.Series((distance / np.abs(pixel)).max(axis=1), index=boxes.index).reindex(table.index)


def _widen(known: NDArray[np.float64] | None, part: pa.Table, modality: str) -> NDArray[np.float64]:
    """[2, bands]: smallest and largest value so far; infinite where nothing was counted."""
    width = len(fact_bands(modality))
    low = np.nan_to_num(list_matrix(part, "band_min", width, np.nan), nan=np.inf).min(axis=0)
    high = np.nan_to_num(list_matrix(part, "band_max", width, np.nan), nan=-np.inf).max(axis=0)
    if known is not None:
        low, high = np.minimum(low, known[0]), np.maximum(high, known[1])
    return np.stack([low, high])


def _band_table(extremes: dict[str, NDArray[np.float64]], levels: dict[str, BandLevels]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    ratios = {modality: order_ratios(each, modality) for modality, each in levels.items()}
    for modality in sorted(extremes, key=list(MODALITIES).index):
        low, high = extremes[modality]
        for position, band in enumerate(fact_bands(modality)):
            spread = high[position] - low[position] if np.isfinite(high[position]) else 0.0
            order = ratios.get(modality, {}).get(band, float("nan"))
            rows.append({"modality": modality, "band": band, "value_range": float(spread), "to_red": order})
    return pd.DataFrame(rows, columns=["modality", "band", "value_range", "to_red"])
