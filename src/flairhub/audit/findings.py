"""Counting what the judge found, with a few examples that show the spread of a problem."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.audit.check import Check
from flairhub.audit.judge import Verdict
from flairhub.audit.tables import domain_years

MAX_EXAMPLES = 20
"""Examples that a report lists per check."""

EXAMPLE_COLUMNS = ("patch", "modality", "date", "date_index", "found")
"""What an example says; null where the grain has no such thing."""


@dataclass(slots=True)
class Findings:
    """What one check found so far, over the parts of a table."""

    check: Check
    evaluated: int = 0
    unexpected: int = 0
    by_modality: Counter[str] = field(default_factory=Counter)
    by_domain: Counter[str] = field(default_factory=Counter)
    _candidates: list[pd.DataFrame] = field(default_factory=list)

    def add(self, table: pd.DataFrame, verdict: Verdict) -> None:
        """Count the verdict on one table."""
        self.evaluated += verdict.evaluated
        self.unexpected += len(verdict.unexpected)
        if not len(verdict.unexpected):
            return
        rows = _examples(table, verdict.unexpected, self.check.shown or self.check.column)
        self.by_modality.update(map(str, rows["modality"].dropna()))
        self.by_domain.update(map(str, rows["domain"].dropna()))
        self._candidates.append(spread(rows))

    def examples(self) -> list[dict[str, Any]]:
        """Up to `MAX_EXAMPLES` examples, sorted."""
        if not self._candidates:
            return []
        chosen = spread(pd.concat(self._candidates, ignore_index=True))
        ordered = chosen.sort_values(["patch", "modality", "date_index"], kind="stable", na_position="first")
        return [{key: _plain(row[key]) for key in EXAMPLE_COLUMNS} for row in ordered.to_dict("records")]


def spread(rows: pd.DataFrame) -> pd.DataFrame:
    """Choose `MAX_EXAMPLES` rows in turns: the domains in turn, and inside a domain its files in turn.

    The first rows of a sorted table would show one file only where every date of a file is wrong.
    """
    ordered = rows.sort_values(["patch", "modality", "date_index"], kind="stable", na_position="first")
    ordered["turn_in_file"] = ordered.groupby(["patch", "modality"], dropna=False).cumcount()
    ordered = ordered.sort_values(["turn_in_file", "patch", "modality"], kind="stable", na_position="first")
    ordered["turn_in_domain"] = ordered.groupby("domain", dropna=False).cumcount()
    ordered = ordered.sort_values(["turn_in_domain", "domain"], kind="stable", na_position="first")
    return ordered.head(MAX_EXAMPLES).drop(columns=["turn_in_file", "turn_in_domain"])


def _examples(table: pd.DataFrame, positions: NDArray[np.int64], column: str) -> pd.DataFrame:
    """The rows in question in the columns of an example, plus their domain-year."""
    rows = table.iloc[positions]
    out = pd.DataFrame(index=range(len(rows)))
    renamed = {"patch": "patch_id", "modality": "modality", "date": "date", "date_index": "date_index"}
    for name, source in renamed.items():
        out[name] = rows[source].to_numpy() if source in rows else pd.Series(pd.NA, index=out.index, dtype="object")
    if "band" in rows:
        out["modality"] = rows["modality"].to_numpy() + " " + rows["band"].to_numpy()
    out["found"] = rows[column].to_numpy().astype(object)
    out["domain"] = domain_years(out["patch"]) if "patch_id" in rows else pd.Series(pd.NA, index=out.index)
    if "patch_id" not in rows and "domain_year" in rows:
        out["domain"] = rows["domain_year"].to_numpy()
        out["modality"] = rows["modality"].to_numpy() + " " + rows["domain_year"].to_numpy()
    return out


def _plain(value: Any) -> Any:
    """A value of a table as plain JSON: integers where whole, None where null."""
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, (int, float, np.integer, np.floating)):
        number = float(value)
        return int(number) if number.is_integer() else number
    return str(value)
