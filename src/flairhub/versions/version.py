"""A version of the data: what a revision of the repository states, as recorded or as its parameters say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from flairhub.config.params import Params
from flairhub.config.reader import parse_params
from flairhub.config.yaml_file import parse_yaml
from flairhub.lineage.revisions import PARAMS, RevisionFiles
from flairhub.records.listings import ARCHIVES, parse_archives
from flairhub.records.manifest import read_manifest
from flairhub.sources.hub import published_sums
from flairhub.sources.wanted_archives import selection_of

Sums = Mapping[str, str | None]
"""Archive -> SHA-256; None where nobody has hashed it."""


@dataclass(frozen=True)  # without slots: cached properties need a dictionary
class DataVersion:
    """The data of one revision."""

    files: RevisionFiles

    @cached_property
    def plain(self) -> dict[str, Any]:
        """params.yaml as plain values."""
        return parse_yaml(self.files.require_text(PARAMS), f"{PARAMS} of {self.files.name}")

    @cached_property
    def params(self) -> Params:
        """params.yaml, checked."""
        return parse_params(self.plain, f"{PARAMS} of {self.files.name}")

    def settled(self, stage: str) -> bool:
        """Whether the result of a stage is recorded for these parameters."""
        return self.files.settled(stage, self.plain)

    @cached_property
    def archives(self) -> Sums | None:
        """Archives with their checksums, from the manifest or, before pull has run, from the source.

        None where they are known only after pull: the embedded sample, and a zip at an address.

        Raises:
            ConfigurationError: parameters name what the source has not got.
            DownloadError: the source is another revision of the Hub, and it cannot be asked.
            MissingFileError: the manifest is in no cache.
        """
        if self.settled("pull"):
            entries = read_manifest(self.files.fetch("data/manifest.json")).archives
            return {entry.name: entry.sha256 for entry in entries}
        data = self.params.data
        sums: Sums
        if data.source == "huggingface":
            sums = published_sums(data.huggingface)
        elif data.source == "local":
            listed = parse_archives(self.files.text(str(ARCHIVES)) or "", str(ARCHIVES))
            sums = {each.name: each.sha256 for each in listed}
        else:
            return None
        return {name: sums[name] for name in selection_of(data.subset).choose(sums, f"the data of {self.files.name}")}

    def row_inputs(self, row: str) -> bytes | None:
        """What a row reads, as recorded; None where it is not."""
        name = f"{row}.json"
        listed = self.files.names("data/inputs")
        return self.files.fetch(f"data/inputs/{name}").read_bytes() if name in listed else None

    def fact_parts(self) -> dict[str, str]:
        """Archive -> MD5 of its table of patches."""
        return {Path(name).stem: md5 for name, md5 in self.files.names("data/index/patches").items()}
