"""The pages in docs/: every room has one of the API, and the migration page names what the code knows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flairhub.reference.quirks import QUIRKS

ROOT = Path(__file__).parents[1]
API = ROOT / "docs" / "api"
NOT_SHOWN = {"cli", "compute", "pictures", "sample", "versions", "browser"}
"""Rooms that nobody calls from outside."""


def test_every_room_has_a_page():
    rooms = {path.parent.name for path in (ROOT / "src" / "flairhub").glob("*/__init__.py")}
    pages = {path.stem for path in API.glob("*.md")} - {"index"}
    assert pages <= rooms
    assert rooms - pages <= NOT_SHOWN
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert all(f"api/{page}.md" in navigation for page in pages)


def test_the_migration_page_names_every_quirk():
    text = (ROOT / "docs" / "migration.md").read_text()
    named = set(
        re.findall(r"^\| `(\w+)`(?: \(\*weights\*\))? \|", text[text.index("## Defect by defect") :], re.MULTILINE)
    )
    assert named == set(QUIRKS)
    assert {name for name in QUIRKS if QUIRKS[name].of_weights} == set(
        re.findall(r"^\| `(\w+)` \(\*weights\*\)", text, re.MULTILINE)
    )


@pytest.mark.slow
def test_the_site_is_built(tmp_path: Path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "api" / "reference" / "index.html").read_text()
    assert "flairhub.reference.folder.read_config" in page
    assert "dotted.key=VALUE" in page
    assert (tmp_path / "migration" / "index.html").is_file()
