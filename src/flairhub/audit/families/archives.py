"""Checks of whole archives; `drop` refuses the files of the archive."""

from __future__ import annotations

from flairhub.audit.check import Check

ARCHIVE_CHECKS = (
    Check(
        name="archive",
        grain="archive",
        sentence="Every archive is a whole zip or folder, and its rasters have the names of the data set.",
        remedy="Fetch the archive again, or pack it again under the names of the data set.",
        column="problem",
        kind="null",
        severity="error",
        policy="drop",
    ),
    Check(
        name="member_names",
        grain="archive",
        sentence="Every raster of an archive has its name by the rule and lies in its folder, else it is not used; "
        "found: how many do not.",
        remedy="Rename the members and pack the archive again.",
        column="strays",
        shown="stray",
        kind="zero",
    ),
)
