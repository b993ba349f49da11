"""The audit: Great Expectations judges the table of facts, and policies decide what is used.

Pixels are never read. Files, patches, bands and the split table are judged as whole tables; dates, of which the
full set has about 90 million, archive by archive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from flairhub.audit.archives import archive_table
from flairhub.audit.check import Check, Grain
from flairhub.audit.checks import not_selected, select_checks
from flairhub.audit.dates import DATE_FACTS, date_table
from flairhub.audit.drift import DarkPixels
from flairhub.audit.exported import Exported
from flairhub.audit.findings import Findings
from flairhub.audit.judge import Judge, Verdict
from flairhub.audit.report import build_report, require_passed, write_report
from flairhub.audit.tables import layer_tables, optional_splits, patch_table, split_table
from flairhub.audit.valid import UNREADABLE, Decision, read_valid, write_valid
from flairhub.audit.value_columns import SCALED
from flairhub.catalog.modalities import MODALITIES
from flairhub.config.pipeline import AuditCheck, AuditParams
from flairhub.facts.tables import iter_dates

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 500_000
"""Dates that are judged together: one expectation costs some 15 ms however small the table."""

__all__ = ["Audit", "audit", "read_valid", "require_passed", "write_audit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Outcome of an audit."""

    report: dict[str, Any]
    """Content of report.json."""
    valid: pa.Table
    """Content of valid.parquet: one row per (patch_id, modality)."""
    exported: Exported
    """Suites and results in the format of Great Expectations."""

    @property
    def success(self) -> bool:
        """Whether no check of severity error failed."""
        return bool(self.report["success"])


def audit(index: Path, params: AuditParams) -> Audit:
    """Judge the table of facts.

    Args:
        index: folder of the index stage, `data/index`.
        params: exceptions to the severities and policies of the checks, and bounds.

    Returns:
        The outcome; a failed check does not raise here (see `require_passed`).

    Raises:
        ConfigurationError: `params.checks` names an unknown check.
        MissingFileError: the index was not built, or Great Expectations is not installed.
        DataError: the index is empty, or a check could not be evaluated.
    """
    selected = select_checks(params)
    judge = Judge(params)
    session = _Session(selected, judge)
    archives = archive_table(index)
    layers, bands = layer_tables(index)
    decision = Decision(layers)
    session.run("archive", archives, decision, decision.drop_domains)
    session.run("layer", layers, decision, lambda rows, name: decision.drop_files(rows.index.to_numpy(), name))
    unreadable = np.flatnonzero(layers["error"].notna().to_numpy() & decision.accepted)
    decision.drop_files(unreadable, UNREADABLE)  # whatever the policy: nothing can be read from them
    dates = session.run_dates(index, decision)
    splits = optional_splits(index)
    patches = patch_table(layers, splits)
    session.run("patch", patches, decision, lambda rows, name: decision.drop_patches(rows["patch_id"], name))
    session.run("band", bands, decision, lambda rows, name: decision.drop_modalities(rows["modality"], name))
    session.run("domain", session.dark.table(), decision, decision.drop_domains)
    session.run("split", split_table(layers, splits), decision, lambda _rows, _name: None)
    valid = decision.table()
    summary = {
        "patches": len(patches),
        "files": len(layers),
        "dates": dates,
        "accepted_files": int(np.sum(valid.column("accepted").to_numpy())),
        "rejected_dates": len(valid.column("rejected_dates").combine_chunks().flatten()),
    }
    bounds = params.model_dump(include={"max_nodata_share", "min_polarisation_gap"})
    judged = [(session.findings[name], wanted) for name, (_, wanted) in selected.items()]
    return Audit(
        report=build_report(judged, summary, bounds, not_selected(params)), valid=valid, exported=judge.exported
    )


def write_audit(folder: Path, outcome: Audit) -> None:
    """Write `report.json`, `report.html`, `valid.parquet` and `great_expectations/`."""
    write_report(folder, outcome.report)
    outcome.exported.write(folder)
    write_valid(folder / "valid.parquet", outcome.valid)


class _Session:
    """The selected checks, their judge and their findings."""

    def __init__(self, selected: dict[str, tuple[Check, AuditCheck]], judge: Judge) -> None:
        self.findings = {name: Findings(check) for name, (check, _) in selected.items()}
        self.dark = DarkPixels()
        self._selected = selected
        self._judge = judge

    def run(
        self, grain: Grain, table: pd.DataFrame, decision: Decision, drop: Callable[[pd.DataFrame, str], None]
    ) -> None:
        """Judge a whole table and apply the policies."""
        checks = [check for check, _ in self._selected.values() if check.grain == grain]
        self._apply(table, self._judge.judge(table, checks), decision, drop)

    def run_dates(self, index: Path, decision: Decision) -> int:
        """Judge the dates, several archives of a modality at once; returns the number of dates."""
        checks = [check for check, _ in self._selected.values() if check.grain == "date"]
        number = 0
        for modality in (name for name, known in MODALITIES.items() if known.is_series):
            mine = [check for check in checks if check.judges(modality)]
            for part in _chunks(index, modality):
                number += part.num_rows
                if modality == SCALED:
                    self.dark.add(part)
                table = date_table(part)
                self._apply(table, self._judge.judge(table, mine), decision, decision.reject_dates)
        return number

    def _apply(
        self,
        table: pd.DataFrame,
        verdicts: dict[str, Verdict],
        decision: Decision,
        drop: Callable[[pd.DataFrame, str], None],
    ) -> None:
        for name, verdict in verdicts.items():
            self.findings[name].add(table, verdict)
            policy = self._selected[name][1].policy
            if not len(verdict.unexpected) or policy == "keep":
                continue
            drop(table.iloc[verdict.unexpected], name)
            if policy == "fail":
                decision.drop_everything(f"set:{name}")


def _chunks(index: Path, modality: str) -> Iterator[pa.Table]:
    """Dates of a modality in tables of about `ROWS_AT_ONCE` rows; an archive is never cut."""
    import pyarrow as pa
    from tqdm import tqdm

    waiting: list[pa.Table] = []
    for part in tqdm(iter_dates(index, [modality], DATE_FACTS), desc=f"dates of {modality}", disable=None):
        waiting.append(part)
        if sum(table.num_rows for table in waiting) >= ROWS_AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting and sum(table.num_rows for table in waiting):
        yield pa.concat_tables(waiting)
