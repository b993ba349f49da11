"""audit: Great Expectations on the table of facts; writes data/audit whatever it finds.

A failed check of severity `error` does not fail here but in the next stage, so that the report survives.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _stage import run
from flairhub.audit.audit import audit, write_audit
from flairhub.audit.sentences import failed_sentences
from flairhub.config.reader import parse_params


def main(arguments: argparse.Namespace) -> None:
    outcome = audit(Path("data/index"), parse_params(arguments.params, "params.yaml").audit)
    write_audit(Path("data/audit"), outcome)
    sentences = failed_sentences(outcome.report)
    print(f"audit: {len(sentences)} checks found something; see data/audit/report.html")
    for sentence in sentences:
        print(f"  {sentence}")


if __name__ == "__main__":
    run(main, __doc__)
