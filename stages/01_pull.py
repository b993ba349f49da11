"""pull: fetch or draw the archives and write data/manifest.json, the version of the data.

Archives lie outside every output: in data/archives/ of the main workspace, or in the folder that
`flairhub use local --data PATH` chose. What that folder holds is noted in data/sources/archives.json, on which this
stage depends.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from _stage import SOURCE, run
from flairhub.config.reader import parse_params
from flairhub.lineage.fingerprint import code_fingerprint
from flairhub.project import MANIFEST, Project
from flairhub.records.listings import ARCHIVES, write_archives
from flairhub.records.manifest import write_manifest
from flairhub.sources.pull import list_source, pull, require_settled, said_of_source


def main(arguments: argparse.Namespace) -> None:
    project = Project(Path())
    workspace, settings = project.workspace, project.settings
    data = parse_params(arguments.params, "params.yaml").data
    code = code_fingerprint("sample", ["flairhub.sample.build"], SOURCE).sha256
    manifest = pull(data, workspace, settings, code=code, progress=settings.progress)
    listed = list_source(data, workspace, settings)
    require_settled(manifest, listed)
    write_archives(ARCHIVES, listed)
    write_manifest(MANIFEST, manifest)
    if (said := said_of_source(data, settings)) is not None:
        print(f"pull: {said}", file=sys.stderr)


if __name__ == "__main__":
    run(main, __doc__)
