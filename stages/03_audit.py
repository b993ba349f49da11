"""audit: Great Expectations on the table of facts; writes data/audit whatever it finds.

A failed check of severity `error` does not fail here but in the next stage, so that the report survives.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _stage import run
from flairhub.audit.audit import audit, write_audit
from flairhub.config.reader import read_params


def main(_: argparse.Namespace) -> None:
    outcome = audit(Path("data/index"), read_params(Path("params.yaml")).audit)
    write_audit(Path("data/audit"), outcome)
    failed = [check["name"] for check in outcome.report["checks"] if not check["success"]]
    print(f"audit: {len(failed)} checks found something ({', '.join(failed) or 'none'}); see data/audit/report.html")


if __name__ == "__main__":
    run(main, __doc__)
