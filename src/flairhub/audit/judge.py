"""Great Expectations as the judge: it decides row by row which values of a check table are unexpected.

The library is imported when a `Judge` is built, for it takes seconds. Measured on two cores with 1,000,000 rows
and eight expectations: 1.5 s, and 3 s if half of the rows fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.audit.check import Check
from flairhub.audit.checks import select_checks
from flairhub.audit.exported import Exported
from flairhub.config.pipeline import AuditParams
from flairhub.errors import DataError, MissingFileError


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge found for one check on one table."""

    evaluated: int
    """Rows with a value."""
    unexpected: NDArray[np.int64]
    """Positions of the rows that break the check, ascending."""


class Judge:
    """An ephemeral Great Expectations context that validates tables held in memory."""

    def __init__(self, params: AuditParams) -> None:
        """Start the context, without analytics, progress bars or files.

        Args:
            params: bounds of the checks.

        Raises:
            MissingFileError: Great Expectations is not installed.
        """
        os.environ["GX_ANALYTICS_ENABLED"] = "False"
        try:
            import great_expectations as gx
            from great_expectations.data_context.types.base import ProgressBarsConfig
        except ImportError as error:
            raise MissingFileError(
                "The audit needs the package great_expectations, which is not installed. "
                "Install it with: pip install 'flairhub[audit]'"
            ) from error
        self._gx = gx
        self._params = params
        self._severities = {name: wanted.severity for name, (_, wanted) in select_checks(params).items()}
        self.exported = Exported()
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("facts").add_dataframe_asset("check_table")
        self._batches = asset.add_batch_definition_whole_dataframe("all")

    def judge(self, table: pd.DataFrame, checks: Iterable[Check]) -> dict[str, Verdict]:
        """Validate a table.

        Args:
            table: one row per thing of the checks' grain, with the columns that they name.
            checks: checks of one grain.

        Returns:
            Name of the check -> verdict; positions count from the table's first row.

        Raises:
            DataError: a column is missing or the library could not evaluate an expectation.
        """
        wanted = list(checks)
        if not wanted or table.empty:
            return {check.name: Verdict(evaluated=0, unexpected=np.empty(0, np.int64)) for check in wanted}
        columns = sorted({column for check in wanted for column in _columns(check)} & set(table.columns))
        batch = self._batches.get_batch(batch_parameters={"dataframe": table[columns].reset_index(drop=True)})
        expectations = [self._expectation(check) for check in wanted]
        suite = self._gx.ExpectationSuite(name=f"flairhub.{wanted[0].grain}", expectations=expectations)
        outcome = batch.validate(suite, result_format={"result_format": "COMPLETE"})
        self.exported.add(suite, outcome)
        verdicts = dict(map(_verdict, outcome.results))
        return {check.name: verdicts[check.name] for check in wanted}

    def _expectation(self, check: Check) -> Any:
        kinds = self._gx.expectations
        common = {
            "meta": {"check": check.name, "sentence": check.sentence},
            "severity": "critical" if self._severities[check.name] == "error" else "warning",
        }
        if check.kind == "unique":
            return kinds.ExpectCompoundColumnsToBeUnique(column_list=list(_columns(check)), **common)
        if check.kind == "null":
            return kinds.ExpectColumnValuesToBeNull(column=check.column, **common)
        low, high = check.bounds(self._params)
        return kinds.ExpectColumnValuesToBeBetween(
            column=check.column,
            min_value=low,
            max_value=high,
            strict_min=check.open_low,
            strict_max=check.open_high,
            **common,
        )


def _columns(check: Check) -> tuple[str, ...]:
    return ("patch_id", "modality") if check.kind == "unique" else (check.column,)


def _verdict(item: Any) -> tuple[str, Verdict]:
    """Check and verdict of one result; the library reports its own failures as unsuccessful, without raising."""
    name = str(item.expectation_config.meta["check"])
    result = item.result
    if "unexpected_index_list" not in result:
        causes = _causes(item.exception_info)
        raise DataError(f"Expected the audit's check {name!r} to be evaluated, but Great Expectations failed: {causes}")
    unexpected = np.sort(np.asarray(result["unexpected_index_list"] or [], dtype=np.int64))
    if bool(item.success) != (unexpected.size == 0):
        raise DataError(
            f"Expected the audit's check {name!r} to fail exactly where values are unexpected, but Great Expectations "
            f"said success={item.success} with {unexpected.size} unexpected rows; report this as a defect."
        )
    # For "values are null", the library counts every non-null value as unexpected and null ones as judged.
    missing = int(result.get("missing_count") or 0) if "null" not in item.expectation_config.type else 0
    return name, Verdict(evaluated=int(result["element_count"]) - missing, unexpected=unexpected)


def _causes(info: Any) -> str:
    entries = [info] if "exception_message" in info else list(dict(info).values())
    return "; ".join(sorted({str(entry["exception_message"]) for entry in entries if isinstance(entry, dict)}))
