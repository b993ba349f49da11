"""Checks of patches, bands, domain-years and the split table, each a matter of the whole set."""

from __future__ import annotations

from flairhub.audit.check import Check

LARGEST_OFFSET = 500.0
"""Half of what ESA adds: dark pixels of two regions differ by less in at least one band."""

SET_CHECKS = (
    Check(
        name="missing_modality",
        grain="patch",
        sentence="A patch has every modality that the set has; found: number of missing ones.",
        remedy="Pull what is missing; a row leaves a patch out where a layer that it reads is missing.",
        column="missing_modalities",
        kind="zero",
    ),
    Check(
        name="in_split_table",
        grain="patch",
        sentence="Every patch of the data is in the split table; found: 1 where not.",
        remedy="Nothing, if the patch may be unused; else add it to the split table, or draw splits (split.method).",
        column="not_in_split_table",
        kind="zero",
    ),
    Check(
        name="split_on_disk",
        grain="split",
        sentence="Every patch of the split table, in the domain-years of the data, has files; found: 1 where not.",
        remedy="Pull what is missing, or nothing if the patch may be unused.",
        column="without_files",
        kind="zero",
    ),
    Check(
        name="split_repeated",
        grain="split",
        sentence="The split table has a patch once; found: how many times.",
        remedy="Remove the other lines; where they name several splits, the split stage refuses them.",
        column="listed",
        high=1,
    ),
    Check(
        name="band_order",
        grain="band",
        sentence="Over the whole set the near infrared is not darker than red, and red of aerial images varies more "
        "than blue; found: the ratio to red, as a multiple of the smallest plausible one.",
        remedy="Look whether the bands of the layer are in its order, and exchange them where they are not.",
        column="to_red",
        low=1,
    ),
    Check(
        name="constant_band",
        grain="band",
        sentence="No band has a single value in the whole set; found: largest minus smallest value.",
        remedy="Look whether the band was written at all, and leave it out of channels where it was not.",
        column="value_range",
        low=0,
        open_low=True,
    ),
    Check(
        name="sentinel2_offset",
        grain="domain",
        sentence="Sentinel-2 has the same zero in every domain-year (ESA adds 1000 since baseline 04.00); "
        "found: how much all bands' dark pixels are brighter than those of the other domain-years.",
        remedy="Take the added 1000 out of the products since baseline 04.00.",
        column="offset",
        low=-LARGEST_OFFSET,
        high=LARGEST_OFFSET,
    ),
)
