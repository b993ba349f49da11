"""`flairhub audit`: the checks of the audit, and what the last one found."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

REPORT = Path("data/audit/report.json")


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "audit",
        help="the checks of the audit and what the last one found",
        description="List every check with its sentence, its severity and policy - its own, or those of the exception "
        "in params.yaml - and the number of findings in data/audit/report.json.",
    )
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the checks."""
    from tabulate import tabulate

    from flairhub.audit.checks import CHECKS, select_checks
    from flairhub.files import read_json
    from flairhub.project import find_project

    audit = find_project().params.audit
    selected = select_checks(audit)
    checks = {}
    if REPORT.is_file():
        checks = {check["name"]: check for check in read_json(REPORT)["checks"]}
    lines = []
    for name, check in CHECKS.items():
        chosen = "not run" if name not in selected else "{0.severity}, {0.policy}".format(selected[name][1])
        chosen += " (params.yaml)" if name in audit.checks else ""
        result = checks.get(name)
        outcome = "-" if result is None else "ok" if result["success"] else str(result["unexpected"])
        lines.append([name, chosen, outcome, check.sentence])
    print(
        tabulate(lines, ["check", "severity, policy", "found", "what must hold"], maxcolwidths=[None, None, None, 60])
    )
    return 0
