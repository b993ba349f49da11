"""The split stage: assign, report what the splits share, refuse a test split that is not apart, write."""

from __future__ import annotations

from pathlib import Path

from flairhub.audit.report import require_passed
from flairhub.audit.valid import read_valid
from flairhub.config.pipeline import SplitParams
from flairhub.files import write_json
from flairhub.splits.leakage import leakage, require_disjoint
from flairhub.splits.table import SplitTable, split, write_splits


def make_splits(params: SplitParams, index: Path, audit: Path, folder: Path, repo_root: Path) -> SplitTable:
    """Write `leakage.json`, then, if test is apart, `train.csv`, `valid.csv` and `test.csv`.

    Args:
        params: method, unit and options.
        index: `data/index`.
        audit: `data/audit`; a failed audit stops here.
        folder: `data/splits`.
        repo_root: folder that `params.csv` is relative to.

    Raises:
        DataError: the audit failed, a split is empty, or test shares a unit with train or valid. The leakage
            report is written before the last of these is raised.
        ConfigurationError: the options do not fit.
        MissingFileError: an input is missing.
    """
    require_passed(audit / "report.json")
    valid = read_valid(audit / "valid.parquet")
    table = split(params, index, valid, repo_root)
    write_json(folder / "leakage.json", leakage(table, index, params.unit))
    require_disjoint(table, params.unit)
    write_splits(folder, table, index, valid)
    return table
