"""Edits of params.yaml by hand: `flairhub use` must not lose them."""

from __future__ import annotations

import difflib
from pathlib import Path

from flairhub.config.profiles import BASE, current_profile, profile_names, profile_text
from flairhub.config.workspace import Workspace
from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.files import replacing, write_text
from flairhub.lineage.git import text_at
from flairhub.lineage.keys import file_sha256
from flairhub.project import PARAMS, PROFILES

_SHOWN = 20
"""Lines of a difference that a message shows."""


def keep_edits(workspace: Workspace, text: str, *, force: bool) -> Path | None:
    """Refuse to overwrite what only params.yaml holds, or keep a copy of it.

    Args:
        workspace: the repository; its state folder keeps what `write_params` wrote, and copies.
        text: what is to be written.
        force: keep a copy instead of refusing.

    Returns:
        The copy; None where nothing would be lost.

    Raises:
        ConfigurationError: the file is no profile's output, nor committed; the message shows the difference.
    """
    path = workspace.root / PARAMS
    present = path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() else text
    written = _written(workspace)
    safe = (text, written, text_at(workspace.root, "HEAD", PARAMS), _profile(workspace))
    if present in safe:
        return None
    if not force:
        raise ConfigurationError(_refusal(written or safe[-1], present))
    copy = workspace.state / "params" / f"{file_sha256(path)[:12]}.yaml"
    with replacing(copy) as temporary:
        temporary.write_bytes(path.read_bytes())
    return copy


def write_params(workspace: Workspace, text: str) -> None:
    """Write params.yaml, and note that it was not written by hand."""
    write_text(workspace.root / PARAMS, text)
    write_text(_record(workspace), text)


def _record(workspace: Workspace) -> Path:
    return workspace.state / "params" / "written.yaml"


def _written(workspace: Workspace) -> str | None:
    """What `flairhub use` wrote last."""
    return _record(workspace).read_text(encoding="utf-8") if _record(workspace).is_file() else None


def _profile(workspace: Workspace) -> str:
    """The output of the profile that the file names, or of the base."""
    folder = workspace.root / PROFILES
    try:
        name = current_profile(workspace.root / PARAMS)
    except (ConfigurationError, MissingFileError, UnicodeDecodeError):  # there is none, or it is no YAML
        name = BASE
    return profile_text(folder, name if name in profile_names(folder) else BASE)


def _refusal(known: str, present: str) -> str:
    lines = list(difflib.unified_diff(known.splitlines(), present.splitlines(), "profile", PARAMS, lineterm="", n=0))
    shown = [line for line in lines[2:] if not line.startswith("@@")]
    more = f"\n... and {len(shown) - _SHOWN} more lines" if len(shown) > _SHOWN else ""
    return (
        f"{PARAMS} was edited, and neither a profile nor a commit holds it as it is; commit it, or add --force, which "
        "keeps a copy. It differs by:\n" + "\n".join(shown[:_SHOWN]) + more
    )
