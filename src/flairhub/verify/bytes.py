"""Level 0, bytes: the files are those whose SHA-256 the receipt has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flairhub.errors import DataError
from flairhub.lineage.keys import file_sha256, weights_metadata
from flairhub.maps.geotiff import predictions_sha256
from flairhub.verify.findings import Mismatch, NotRunError, Outcome, differences
from flairhub.verify.row import Subject, require_weights


def byte_checks(subject: Subject) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """The checks, by name."""
    files = subject.files
    yield "inputs", lambda: _bytes(subject, files.inputs, "inputs_sha256")
    yield "code", lambda: _code(subject)
    yield "weights", lambda: _weights(subject)
    yield "confusion", lambda: _bytes(subject, files.confusion, "confusion_sha256")
    yield "details", lambda: _bytes(subject, files.details, "details_sha256")
    yield "robustness", lambda: _bytes(subject, files.robustness, "robustness_sha256")
    yield "seeds", lambda: _further_seeds(subject)
    yield "predictions", lambda: _predictions(subject)


def _bytes(subject: Subject, path: Path, field: str) -> Outcome:
    """The bytes of a file against the receipt."""
    expected = getattr(subject.receipt, field)
    if not path.is_file():
        raise DataError(f"{subject.name(path)}: expected a file, but there is none; `dvc pull` or `dvc repro` it.")
    found = file_sha256(path)
    wrong = [] if found == expected else [_hash(subject, path, expected, found)]
    return Outcome(detail=f"{subject.name(path)} has the receipt's SHA-256", mismatches=wrong)


def _code(subject: Subject) -> Outcome:
    receipt = subject.receipt
    wrong = []
    for expected, name, path in (
        (receipt.code_sha256, "train code", subject.files.train_code),
        (receipt.evaluate_code_sha256, "evaluate code", subject.files.evaluate_code),
    ):
        found = subject.evidence[name].sha256
        if found != expected:
            wrong.append(_hash(subject, path, expected, found))
    return Outcome(detail="fingerprints of the code in data/code are the receipt's", mismatches=wrong)


def _weights(subject: Subject) -> Outcome:
    expected = subject.receipt.weights_sha256
    path = require_weights(subject, subject.files)
    found = file_sha256(path)
    wrong = [] if found == expected else [_hash(subject, path, expected, found)]
    if not wrong:
        trained_with = json.loads(weights_metadata(path).get("environment", "null"))
        noted, name = subject.receipt.values()["training_environment"], subject.name(subject.files.receipt)
        wrong += differences(trained_with, noted, name, "training_environment")
        wrong += _adoptions(subject, json.loads(weights_metadata(path).get("adoptions", "[]")))
    return Outcome(detail=f"{subject.name(path)} has the receipt's SHA-256 and environment", mismatches=wrong)


def _adoptions(subject: Subject, chain: list[dict[str, Any]]) -> list[Mismatch]:
    """The codes that the result was carried along: as the weights say them, and without a gap to today's."""
    receipt, name = subject.receipt, subject.name(subject.files.receipt)
    wrong = list(differences(chain, receipt.values()["adoptions"], name, "adoptions"))
    joints = [each["to_code"] for each in chain]
    follow = [*(each["from_code"] for each in chain[1:]), receipt.code_sha256]
    return wrong + list(differences(joints, follow[: len(joints)] if chain else [], name, "adoptions: chain of codes"))


def _further_seeds(subject: Subject) -> Outcome:
    """The bytes of the further seeds' files."""
    sums = subject.receipt.further_seeds
    wrong = list(differences(sorted(list(subject.seeds)[1:]), sorted(sums), subject.name(subject.files.receipt)))
    absent = []
    for seed, expected in sums.items():
        files = subject.files.of_seed(seed)
        for path, sha256 in (
            (files.weights, expected.weights_sha256),
            (files.confusion, expected.confusion_sha256),
            (files.details, expected.details_sha256),
        ):
            if path == files.weights and not path.is_file():
                absent.append(subject.name(path))
            elif (found := file_sha256(path) if path.is_file() else "no file") != sha256:
                wrong.append(_hash(subject, path, sha256, found))
    if absent and not wrong:
        raise NotRunError(f"{absent[0]} is not on this disk; `dvc pull {subject.name(subject.files.model)}` fetches it")
    return Outcome(
        detail=f"files of {len(sums)} further seeds have the receipt's SHA-256", mismatches=wrong, applies=bool(sums)
    )


def _predictions(subject: Subject) -> Outcome:
    """The maps of all test patches, where the evaluation wrote them."""
    expected = subject.receipt.predictions_sha256
    folder = subject.files.predictions
    if expected is None:
        return Outcome(detail="evaluate.write_predictions is off", applies=False)
    if not folder.is_dir():
        raise NotRunError(
            f"{subject.name(folder)} is not on this disk; it is no output of the graph, `dvc repro -f "
            f"evaluate@{subject.row}` writes it"
        )
    found = predictions_sha256(folder)
    wrong = [] if found == expected else [_hash(subject, folder, expected, found)]
    return Outcome(detail=f"maps in {subject.name(folder)} have the receipt's SHA-256", mismatches=wrong)


def _hash(subject: Subject, path: Path, expected: object, found: str) -> Mismatch:
    return Mismatch(file=subject.name(path), cell="sha256", expected=str(expected), found=found)
