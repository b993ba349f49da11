"""A repository without git, e.g. downloaded as a zip: DVC has to be told."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path


def fit_dvc_to_git(root: Path) -> None:
    """Say in `.dvc/config.local`, which is not tracked, whether there is git; DVC refuses to run if they disagree.

    Args:
        root: the repository.
    """
    git = any((folder / ".git").exists() for folder in (root, *root.parents))
    config = configparser.ConfigParser(interpolation=None)
    config.read(root / ".dvc" / "config.local", encoding="utf-8")
    told = config.getboolean("core", "no_scm", fallback=False)
    if git != told or not (root / ".dvc").is_dir():
        return
    change = ["--unset", "core.no_scm"] if git else ["core.no_scm", "true"]
    command = [sys.executable, "-m", "dvc", "config", "--quiet", "--local", *change]
    subprocess.run(command, cwd=root, check=True)  # noqa: S603 - our own words
    if not git:
        print("There is no git here: DVC runs without it (.dvc/config.local), results name no revision.", flush=True)
