"""What lies outside the repository is noted in data/sources/ before DVC looks: no command, but part of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flairhub.project import MANIFEST

if TYPE_CHECKING:
    from flairhub.project import Project


def note_sources(project: Project) -> None:
    """Note the archives of the local folder, so that DVC sees what changed, and say what differs from the manifest.

    Nothing is hashed. Where no folder is set - a clone that has only results - what was noted remains.

    Raises:
        MissingFileError: the folder, or archives in it, do not exist.
        DataError: an archive is there twice, or a file that was noted is damaged.
        ConfigurationError: a wanted domain-year is not in the folder.
    """
    from flairhub.records.listings import ARCHIVES, write_archives
    from flairhub.sources.local import compare
    from flairhub.sources.pull import list_source

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
