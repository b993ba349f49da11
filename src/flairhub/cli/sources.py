"""What lies outside the repository is noted in data/sources/ before DVC looks: no command, but part of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flairhub.project import MANIFEST

if TYPE_CHECKING:
    from flairhub.project import Project


def note_sources(project: Project) -> None:
    """Note the archives of the local folder and the weights files that parameters name, so that DVC sees what changed.

    No archive is hashed; what differs from the manifest is said. Where no folder is set or a file is not there - as in
    a clone that has only results - what was noted remains.

    Raises:
        MissingFileError: the folder, or archives in it, do not exist.
        DataError: an archive is there twice, or a file that was noted is damaged.
        ConfigurationError: a wanted domain-year is not in the folder.
    """
    from flairhub.archives.checksums import checksums_of
    from flairhub.records.listings import ARCHIVES, WEIGHTS, read_weights, write_archives, write_weights
    from flairhub.sources.local import compare
    from flairhub.sources.pull import list_source
    from flairhub.weights.noted import list_weights

    weights, checksums = project.root / WEIGHTS, checksums_of(project.workspace)
    write_weights(weights, list_weights(project.params, project.workspace, checksums, read_weights(weights)))
    local = project.params.data.source == "local"
    if local and project.settings.data is None:
        return
    listed = list_source(project.params.data, project.workspace, project.settings)
    write_archives(project.root / ARCHIVES, listed)
    if not local or not (project.root / MANIFEST).is_file() or project.manifest.source["kind"] != "local":
        return
    report = compare(project.manifest, listed)
    if not report.clean:
        kinds = (("missing", report.missing), ("new", report.new), ("changed or not hashed yet", report.changed))
        said = ", ".join(f"{len(names)} {kind}, e.g. {names[0]}" for kind, names in kinds if names)
        where = f"The archives of {project.settings.data} differ from {MANIFEST}"
        print(f"{where} ({said}): the next `dvc repro` pulls again.", flush=True)
