"""Where the files lie that a configuration or a CSV names, as users have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flairhub.errors import MissingFileError


@dataclass(frozen=True, slots=True)
class Places:
    """Folders that a relative path may start at, in the order in which they are tried."""

    folders: tuple[Path, ...]
    root: Path | None = None
    """The folder of archives that the user named; None: there is none."""

    def candidates(self, text: str) -> Iterator[Path]:
        """Where a path may lie: as it is, then below each folder, also without `../` in front.

        The reference starts at the folder that it runs in, so `../` is right from one folder alone.
        """
        given = Path(text).expanduser()
        if given.is_absolute():
            yield given
            return
        bare = Path(*[part for part in given.parts if part != ".."]) if given.parts else given
        for folder in (*((self.root,) if self.root else ()), *self.folders):
            yield folder / given
            if bare != given:
                yield folder / bare

    def find(self, text: str, what: str) -> Path:
        """The file or folder that a path of the configuration means.

        Args:
            text: the path.
            what: key that names it, for the message.

        Raises:
            MissingFileError: it is at none of the places; they are listed.
        """
        tried = list(dict.fromkeys(self.candidates(text.rstrip("/") or text)))
        for path in tried:
            if path.exists():
                return path.resolve()
        raise MissingFileError(
            f"{what}: expected a file or folder {text!r}, but there is none: tried {_listed(tried)}."
        )


def _listed(paths: list[Path]) -> str:
    shown = ", ".join(str(path) for path in paths[:4])
    return shown if len(paths) <= 4 else f"{shown} and {len(paths) - 4} more places"
