"""What rows and profiles may be called: their names become folders, DVC stages and words of a command line."""

from __future__ import annotations

import re

from flairhub.errors import ConfigurationError

_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def check_identifier(name: str, where: str) -> None:
    """Refuse a name that is not letters, digits, `-` and `_`, with a letter or digit first and 64 at most.

    Raises:
        ConfigurationError: with the name, cut where it is long.
    """
    if _PATTERN.fullmatch(name) is None:
        shown = repr(name) if len(name) <= 80 else f"{name[:40]!r}... ({len(name)} characters)"
        raise ConfigurationError(
            f"{where}: expected letters, digits, `-` and `_`, a letter or digit first, 64 characters at most, "
            f"but got {shown}; choose another name."
        )
