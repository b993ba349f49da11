"""Which code makes a stage's result, and which only surrounds it.

A training that took days must not be thrown away for a progress bar. What is named here is not part of any
fingerprint; each line says why it cannot change a result. Whoever adds one must be able to say so.
"""

from __future__ import annotations

PACKAGE = "flairhub"

ROOTS: dict[str, tuple[str, ...]] = {
    "train": (f"{PACKAGE}.training.runner", f"{PACKAGE}.training.conversion", f"{PACKAGE}.surroundings"),
}
"""Stage -> modules that make its result, with all that they import. Other stages begin with their own script."""

FACTS = (f"{PACKAGE}.facts.pieces", f"{PACKAGE}.surroundings")
"""What makes the facts of one archive: parts of the index are kept as long as this code stays the same."""

SURROUNDINGS: dict[str, str] = {
    f"{PACKAGE}.cli": "parses arguments and prints",
    f"{PACKAGE}.tracking": "shows results elsewhere",
    f"{PACKAGE}.lineage.costs": "notes times and memory, which enter no output",
    f"{PACKAGE}.lineage.energy": "notes energy, which enters no output",
    f"{PACKAGE}.config.runtime": "settings of a machine; tests hold that results do not depend on them",
    f"{PACKAGE}.config.workspace": "where folders lie",
    f"{PACKAGE}.project": "where things lie; manifest and archives are read under their checksums",
    f"{PACKAGE}.errors": "classes of exceptions",
    f"{PACKAGE}.locks": "who waits for whom",
    f"{PACKAGE}.sources.extracted": "unpacks archives; every file is read under the CRC-32 of the index",
    f"{PACKAGE}.interruption": "how a process ends before its result is there",
    f"{PACKAGE}.compute.launcher": "whether the pipeline that wants the result is there",
    f"{PACKAGE}.compute.light": "leaves out imports that nothing uses; a test holds that losses are the same",
    f"{PACKAGE}.training.checkpoints": "when a state is kept; tests hold that resuming changes no bit",
}
"""Rooms and modules that are in no fingerprint -> why."""

AROUND: dict[str, dict[str, str]] = {
    "train": {
        f"{PACKAGE}.files": "how a file appears; weights are written by safetensors",
        f"{PACKAGE}.archives.checksums": "finds archives and their checksums; every patch is read under its own CRC-32",
        f"{PACKAGE}.records.history": "how curves are written",
        f"{PACKAGE}.records.details": "how figures are written",
        f"{PACKAGE}.records.environment": "notes libraries beside the weights",
        f"{PACKAGE}.records.manifest": "where archives came from",
        f"{PACKAGE}.records.probe": "how an answer of finished weights is written",
        f"{PACKAGE}.records.paper": "how records are written",
        f"{PACKAGE}.records.columns": "storage of columns, each read under the checksum of its content",
        f"{PACKAGE}.weights.encoders": "refuses initial weights other than those that the row's inputs name",
        f"{PACKAGE}.weights.locate": "where a given file lies; its checksum is in the row's inputs",
    },
    "facts": {
        f"{PACKAGE}.files": "how a file appears",
        f"{PACKAGE}.archives.checksums": "finds archives; the manifest's checksums are in the key of each part",
        f"{PACKAGE}.records": "what is written about facts elsewhere",
    },
}
"""Name of a fingerprint -> further modules that surround it -> why."""
