"""Check table of the audit for whole archives."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from flairhub.catalog.names import parse_archive
from flairhub.errors import DataError
from flairhub.records.index_summary import ArchiveSummary, read_summaries


def archive_table(index: Path) -> pd.DataFrame:
    """One row per archive of patches: `archive, modality, domain_year` and the columns of the checks.

    Raises:
        MissingFileError: the index was not built.
        DataError: no archive has a patch.
    """
    summaries = read_summaries(index)
    names = [name for name in summaries if parse_archive(name) is not None]
    problems = [each.problem for each in summaries.values() if each.problem is not None]
    if names and not any(summaries[name].patches for name in names) and problems:
        raise DataError(
            f"Expected facts of at least one patch in {index}, but got none; {len(problems)} of {len(names)} archives "
            f"cannot be used: {'; '.join(problems[:3])}"
        )
    found = [summaries[name] for name in names]
    parsed = [archive for name in names if (archive := parse_archive(name)) is not None]
    return pd.DataFrame(
        {
            "archive": pd.Series(names, dtype="str"),
            "modality": pd.Series([each.modality for each in parsed], dtype="str"),
            "domain_year": pd.Series([f"{each.domain}-{each.year}" for each in parsed], dtype="str"),
            "problem": pd.Series([each.problem for each in found], dtype="object"),
            "strays": pd.Series([float(each.strays) for each in found], dtype="float64"),
            "stray": pd.Series([_stray(each) for each in found], dtype="object"),
        }
    )


def _stray(summary: ArchiveSummary) -> str | None:
    return None if summary.stray is None else f"{summary.strays}, e.g. {summary.stray}"
