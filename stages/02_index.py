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
from flairhub.archives.locate import archive_folder
from flairhub.archives.reader import PatchReader
from flairhub.compute.executors import open_executor
from flairhub.config.reader import parse_params
from flairhub.config.runtime import read_settings
from flairhub.config.workspace import find_workspace
from flairhub.facts.draw import RoiDraw
from flairhub.facts.index import build_index
from flairhub.facts.metadata import require_dates
from flairhub.lineage.concerns import FACTS
from flairhub.lineage.fingerprint import code_fingerprint
from flairhub.records.index_summary import read_summaries
from flairhub.records.manifest import read_manifest

INDEX = Path("data/index")


def main(arguments: argparse.Namespace) -> None:
    workspace = find_workspace()
    settings = read_settings(workspace)
    params = parse_params(arguments.params, "params.yaml")
    manifest = read_manifest(Path("data/manifest.json"))
    folder = archive_folder(manifest.source, workspace, settings)
    require_dates(manifest, PatchReader(folder))
    with open_executor(settings) as executor:
        build_index(
            manifest,
            folder,
            INDEX,
            filter=params.preprocessing.filter_sentinel2,
            draw=RoiDraw(share=params.data.subset.rois, seed=params.data.subset.seed),
            cache=workspace.state / "index",
            code=code_fingerprint("facts", FACTS, SOURCE).sha256,
            executor=executor,
            checksums=checksums_of(workspace),
            progress=settings.progress,
        )
    for summary in read_summaries(INDEX).values():
        if summary.problem is not None:
            print(f"index: {summary.problem}", file=sys.stderr)


if __name__ == "__main__":
    run(main, __doc__)
