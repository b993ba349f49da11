"""The audit's report: stable JSON for the pipeline and a self-contained page for people."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from flairhub.audit.findings import Findings
from flairhub.audit.sentences import sentence
from flairhub.config.pipeline import AuditCheck
from flairhub.errors import DataError, MissingFileError
from flairhub.files import read_json, write_json, write_text

FORMAT = 1
"""Format number of report.json."""

TEMPLATE = "page.html.j2"
"""Template of the page, beside this module."""


def build_report(
    findings: Iterable[tuple[Findings, AuditCheck]],
    summary: dict[str, int],
    parameters: dict[str, float],
    not_run: Iterable[str],
) -> dict[str, Any]:
    """The report as plain data; the same facts and parameters always give the same.

    Args:
        findings: per check what was found, and what was wanted.
        summary: sizes of what was audited and of what is left.
        parameters: bounds that the parameters gave.
        not_run: names of checks that the parameters do not list.
    """
    checks = sorted((_check(each, wanted) for each, wanted in findings), key=lambda check: check["name"])
    failed = [check["name"] for check in checks if not check["success"] and check["severity"] == "error"]
    warned = [check["name"] for check in checks if not check["success"] and check["severity"] == "warn"]
    return {
        "format": FORMAT,
        "success": not failed,
        "failed": failed,
        "warned": warned,
        "not_run": sorted(not_run),
        "parameters": parameters,
        "summary": summary,
        "checks": checks,
    }


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write `report.json` and `report.html`."""
    write_json(folder / "report.json", report)
    write_text(folder / "report.html", render_page(report))


def render_page(report: dict[str, Any]) -> str:
    """The report as one HTML page without scripts and without any address outside itself."""
    import jinja2

    source = resources.files("flairhub.audit").joinpath(TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    order = {"error": 0, "warn": 1}
    checks = sorted(report["checks"], key=lambda c: (c["success"], order[c["severity"]], c["name"]))
    return environment.from_string(source).render(report=report, checks=checks) + "\n"


def require_passed(report_path: Path) -> None:
    """Refuse to go on after a failed audit.

    Args:
        report_path: `report.json` of the audit.

    Raises:
        MissingFileError: there is no report.
        DataError: a check of severity error failed; all of them are named.
    """
    if not report_path.is_file():
        raise MissingFileError(f"Expected the audit's report at {report_path}, but there is none; run the audit stage.")
    report = read_json(report_path)
    if report["success"]:
        return
    failed = [check for check in report["checks"] if check["name"] in set(report["failed"])]
    listed = " ".join(f"[{number}] {sentence(check)}" for number, check in enumerate(failed, 1))
    raise DataError(
        f"Expected an audit without failed checks, but got: {listed} All are in "
        f"{report_path.with_suffix('.html').name}; repair the data, or set the severity of the check in audit.checks "
        "to warn and choose with its policy whether what it concerns is left out (drop) or used (keep)."
    )


def _check(findings: Findings, wanted: AuditCheck) -> dict[str, Any]:
    check = findings.check
    return {
        "name": check.name,
        "grain": check.grain,
        "sentence": check.sentence,
        "remedy": check.remedy,
        "severity": wanted.severity,
        "policy": wanted.policy,
        "success": findings.unexpected == 0,
        "evaluated": findings.evaluated,
        "unexpected": findings.unexpected,
        "by_modality": dict(findings.by_modality),
        "by_domain": dict(findings.by_domain),
        "examples": findings.examples(),
    }
