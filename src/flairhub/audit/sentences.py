"""What the audit found, as sentences: which file of which patch, what was expected, what was found, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.errors import DataError

_POLICIES = {"fail": "nothing is used", "drop": "left out", "keep": "used all the same"}


def sentence(check: Mapping[str, Any]) -> str:
    """One sentence about a check of the report that failed.

    Args:
        check: an entry of `checks` in report.json.
    """
    return f"{check['name']} ({check['unexpected']} of {check['evaluated']}{_first(check)}){_more(check)}"


def failed_sentences(report: Mapping[str, Any]) -> list[str]:
    """Sentences of all checks that found something, errors first."""
    failed = [check for check in report["checks"] if not check["success"]]
    return [sentence(check) for check in sorted(failed, key=lambda check: check["severity"] != "error")]


def _first(check: Mapping[str, Any]) -> str:
    if not check["examples"]:
        return ""
    example = check["examples"][0]
    words = [str(example[key]) for key in ("patch", "modality", "date") if example[key] is not None]
    return f", e.g. {' '.join(words)}" if words else ""


def _more(check: Mapping[str, Any]) -> str:
    """File and value of the first example, what was expected, what becomes of it, and what to do."""
    if not check["examples"]:
        return ""
    example = check["examples"][0]
    file = _file(example)
    found = f"{f' in {file}' if file else ''}: found {str(example['found']).rstrip('.')}."
    policy = f"Policy {check['policy']}: {_POLICIES[check['policy']]}."
    return f"{found} Expected: {check['sentence']} {policy} To do: {check['remedy']}"


def _file(example: Mapping[str, Any]) -> str | None:
    """The member that an example is about; None where it is about several files, or about none."""
    modality = example["modality"]
    if example["patch"] is None or modality not in MODALITIES:
        return None
    try:
        patch = parse_patch_id(example["patch"])
    except DataError:  # of a split table, where it may be anything
        return None
    return f"{archive_of(patch, modality)}: {member_of(patch, modality)}"
