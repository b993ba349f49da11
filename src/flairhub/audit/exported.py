"""Suites and validation results in Great Expectations' own format, for those who work with its files.

Only what the same facts repeat: times, identifiers and the addresses of tables in memory are left out, and of the
unexpected values the few that the library itself shows.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from flairhub.files import write_json

FOLDER = "great_expectations"
"""In `data/audit`."""

_FULL_LISTS = ("unexpected_list", "unexpected_index_list", "unexpected_index_query")


class Exported:
    """Collects what was judged."""

    def __init__(self) -> None:
        self._suites: dict[str, dict[str, Any]] = {}
        self._validations: list[dict[str, Any]] = []

    def add(self, suite: Any, outcome: Any) -> None:
        """Note a suite and its result on one table.

        Args:
            suite: an `ExpectationSuite`; suites of one name are one suite.
            outcome: its `ExpectationSuiteValidationResult`.
        """
        known = self._suites.setdefault(suite.name, plain_suite(suite))
        listed = {str(each) for each in known["expectations"]}
        known["expectations"] += [each for each in plain_suite(suite)["expectations"] if str(each) not in listed]
        self._validations.append(plain_result(outcome))

    def write(self, folder: Path) -> None:
        """Write `great_expectations/suites.json` and `validations.json` into a folder.

        `ExpectationSuite(**suite)` takes an entry of the first back; entries of the second are what
        `ExpectationSuiteValidationResult.to_json_dict` gives.
        """
        write_json(folder / FOLDER / "suites.json", [self._suites[name] for name in sorted(self._suites)])
        write_json(folder / FOLDER / "validations.json", self._validations)


def plain_suite(suite: Any) -> dict[str, Any]:
    """A suite as plain data, without identifiers."""
    value: dict[str, Any] = suite.to_json_dict()
    expectations = [{k: v for k, v in each.items() if k != "id"} for each in value["expectations"]]
    return {**value, "id": None, "expectations": expectations}


def plain_result(outcome: Any) -> dict[str, Any]:
    """A validation result as plain data, without what changes from run to run."""
    value: dict[str, Any] = outcome.to_json_dict()
    for each in value["results"]:
        each["result"] = {name: part for name, part in each["result"].items() if name not in _FULL_LISTS}
        each["expectation_config"].pop("id", None)
    version = value["meta"]["great_expectations_version"]
    kept = {name: value[name] for name in ("success", "results", "suite_name", "suite_parameters", "statistics")}
    finite: dict[str, Any] = _finite({**kept, "meta": {"great_expectations_version": version}})
    return finite


def _finite(value: Any) -> Any:
    """Without NaN and infinity, which JSON has no word for."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
