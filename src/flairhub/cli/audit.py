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
        description="List every check with its sentence, its severity and policy in params.yaml, and the number of "
        "findings in data/audit/report.json.",
    )
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the checks."""
    from tabulate import tabulate

    from flairhub.audit.checks import CHECKS
    from flairhub.config.reader import read_params
    from flairhub.files import read_json

    wanted = read_params(Path("params.yaml")).audit.checks
    found = {}
    if REPORT.is_file():
        found = {check["name"]: check for check in read_json(REPORT)["checks"]}
    lines = []
    for name, check in CHECKS.items():
        settings = wanted.get(name)
        chosen = "not run" if settings is None else f"{settings.severity}, {settings.policy}"
        result = found.get(name)
        outcome = "-" if result is None else "ok" if result["success"] else str(result["unexpected"])
        lines.append([name, chosen, outcome, check.sentence])
    print(
        tabulate(lines, ["check", "severity, policy", "found", "what must hold"], maxcolwidths=[None, None, None, 60])
    )
    return 0
