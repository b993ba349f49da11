"""The audit's suites and results, read back by Great Expectations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flairhub.audit.audit import audit, write_audit
from flairhub.config.reader import read_params
from flairhub.files import read_json

ROOT = Path(__file__).parents[2]
PATCH = "D012-2019_UU-S1-1_1-1"


@pytest.fixture
def folder(tmp_path: Path, facts: Any) -> Path:
    bad = np.full((2, 8, 8), 5.0, np.float32)
    bad[0, 0, 0] = -9999
    facts.add(PATCH, "DEM_ELEV", bad)
    facts.add(PATCH, "AERIAL_RGBI", np.random.default_rng(0).integers(1, 255, (4, 8, 8), dtype=np.uint8))
    index = facts.splits(split_1={PATCH: "train"}).write()
    for name in ("a", "b"):
        write_audit(tmp_path / name, audit(index, read_params(ROOT / "params.yaml").audit))
    return tmp_path


def test_equal_facts_give_equal_files(folder: Path) -> None:
    for name in ("suites.json", "validations.json"):
        first, second = ((folder / each / "great_expectations" / name).read_bytes() for each in "ab")
        assert first == second
        json.loads(first, parse_constant=lambda word, file=name: pytest.fail(f"{file} has {word}"))


def test_great_expectations_takes_the_suites_back_and_finds_the_same(folder: Path) -> None:
    import great_expectations as gx

    suites = read_json(folder / "a/great_expectations/suites.json")
    report = {check["name"]: check for check in read_json(folder / "a/report.json")["checks"]}
    expectations = [each for suite in suites for each in gx.ExpectationSuite(**suite).expectations]
    assert {each.meta["check"] for each in expectations} <= set(report)
    severities = {each.meta["check"]: each.severity.value for each in expectations}
    assert {severities[n] for n in severities if report[n]["severity"] == "warn"} <= {"warning"}
    unexpected: dict[str, int] = {}
    for validation in read_json(folder / "a/great_expectations/validations.json"):
        for result in validation["results"]:
            name = result["expectation_config"]["meta"]["check"]
            unexpected[name] = unexpected.get(name, 0) + result["result"]["unexpected_count"]
    assert unexpected == {name: report[name]["unexpected"] for name in unexpected}
    assert sum(unexpected.values()) > 0
