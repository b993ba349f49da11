"""index: one pass over the pixels of every archive into the table of facts, data/index.

A part is kept per archive under .flairhub/index, so that a new archive costs only itself, and per piece of an archive
until it is complete, so that an interrupted index goes on. An archive of which nothing can be used is named here, and
judged by the audit.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from _stage import SOURCE, run
from flairhub.archives.checksums import checksums_of
from flairhub.compute.executors import open_executor
from flairhub.config.reader import parse_params
from flairhub.facts.draw import RoiDraw
from flairhub.facts.index import build_index
from flairhub.facts.metadata import require_dates
from flairhub.lineage.concerns import FACTS
from flairhub.lineage.fingerprint import code_fingerprint
from flairhub.project import Project
from flairhub.records.index_summary import read_summaries

INDEX = Path("data/index")


def main(arguments: argparse.Namespace) -> None:
    project = Project(Path())
    params = parse_params(arguments.params, "params.yaml")
    require_dates(project.manifest, project.reader())
    with open_executor(project.settings) as executor:
        build_index(
            project.manifest,
            project.archives,
            INDEX,
            filter=params.preprocessing.filter_sentinel2,
            draw=RoiDraw(share=params.data.subset.rois, seed=params.data.subset.seed),
            cache=project.workspace.state / "index",
            code=code_fingerprint("facts", FACTS, SOURCE).sha256,
            executor=executor,
            checksums=checksums_of(project.workspace),
            progress=project.settings.progress,
        )
    for summary in read_summaries(INDEX).values():
        if summary.problem is not None:
            print(f"index: {summary.problem}", file=sys.stderr)


if __name__ == "__main__":
    run(main, __doc__)
