"""`flairhub verify`: what it prints and its exit statuses; the checks themselves are in tests/verify."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from flairhub.cli.main import main
from flairhub.verify import verify as library
from flairhub.verify.findings import TABLE, Finding, Mismatch

ROOT = Path(__file__).parents[2]


def finding(status: Any, level: int = 0, row: str = "LC-A", **values: Any) -> Finding:
    return Finding(row=row, level=level, check="weights", status=status, detail=f"it {status}", **values)


@pytest.fixture
def verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command on prepared findings; returns status and output."""
    shutil.copy(ROOT / "profiles/sample.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLAIRHUB_PROGRESS", "1")

    def run(findings: list[Finding], *arguments: str) -> tuple[int, str, dict[str, Any]]:
        asked: dict[str, Any] = {}

        def fake(params: Any, workspace: Any, settings: Any, options: Any, rows: Any) -> Any:
            asked.update(rows=rows, options=options)
            return iter(findings)

        monkeypatch.setattr(library, "verify", fake)
        status = main(["verify", *arguments])
        return status, capsys.readouterr().out, asked

    return run


def test_a_line_per_check_and_what_was_not_run(verify: Any) -> None:
    status, output, asked = verify([finding("passed"), finding("does not apply"), finding("passed", row=TABLE)])
    assert status == 0
    assert output.splitlines() == [
        "LC-A     0 records    weights      passed  it passed",
        "LC-A     0 records    weights      n/a     it does not apply",
        "(table)  0 records    weights      passed  it passed",
        "",
        "24 rows, 3 checks: 2 passed, 0 failed, 0 not run, 1 not applicable.",
        "level 2 (inference) not run: --level 2 asks for it.",
        "level 3 (retraining) not run: --level 3 asks for it.",
    ]
    assert asked["options"].level == 1
    assert asked["rows"] == []


def test_a_failure_names_what_differs_and_fails_the_command(verify: Any) -> None:
    mismatch = Mismatch(file="reports/benchmark.csv", cell="oa", expected="'1'", found="'2'")
    status, output, _ = verify([finding("failed", mismatches=(mismatch,)), finding("not run", 2)], "--level", "2")
    assert status == 1
    assert "LC-A     0 records    weights      FAILED  it failed\n" in output
    assert "\n         reports/benchmark.csv: oa: expected '1', found '2'\n" in output
    assert "NOT RUN it not run" in output


@pytest.mark.parametrize(("level", "status"), [(0, 0), (1, 0), (2, 3), (3, 3)])
def test_what_was_asked_for_and_could_not_be_run_is_no_success(verify: Any, level: int, status: int) -> None:
    assert verify([finding("not run", level)], "--level", "3")[0] == status


def test_options_reach_the_library(verify: Any) -> None:
    words = ["LC-B", "LC-A", "--level", "3", "--rois", "0", "--seed", "7", "--agreement", "0.5", "--tolerance", "2"]
    _, output, asked = verify([], *words, "--scratch", "there")
    options = asked["options"]
    assert asked["rows"] == ["LC-B", "LC-A"]
    assert (options.level, options.rois, options.seed) == (3, 0, 7)
    assert (options.agreement, options.tolerance, options.scratch) == (0.5, 2.0, Path("there"))
    assert "not run: --level" not in output
    assert output.startswith("\n2 rows, 0 checks")


def test_wrong_options_are_refused(verify: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        verify([], "--level", "4")
    assert end.value.code == 2
    assert verify([], "--rois", "-1")[0] == 1
    capsys.readouterr()


def test_a_clone_without_results_fails_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(ROOT / "profiles/sample.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    assert main(["verify", "LC-A"]) == 1
    shown = capsys.readouterr().out
    assert "reports/rows/LC-A/receipt.json" in shown
    assert main(["verify", "LC-Q"]) == 1
    assert "has no row 'LC-Q'" in capsys.readouterr().err
