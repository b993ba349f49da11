"""Fingerprints of code: which lines a stage's result depends on.

The import closure of a stage inside the package is followed through the syntax trees, and each module is
hashed without comments, docstrings and layout. A sentence changed in a docstring, or a module the stage does
not import, leaves the fingerprint alone. Rooms that only show results (tracking, cli) are not followed.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from flairhub.errors import MissingFileError
from flairhub.records.code import Fingerprint

PACKAGE = "flairhub"
VIEWS = (
    f"{PACKAGE}.tracking",
    f"{PACKAGE}.cli",
    f"{PACKAGE}.lineage.costs",
    f"{PACKAGE}.lineage.energy",
)
"""Rooms and modules that display results, or note what they cost, and cannot change them."""


def stage_fingerprint(stage: str, script: Path, source: Path) -> Fingerprint:
    """Fingerprint of a stage's script and everything it imports from the package.

    Args:
        stage: name of the stage.
        script: the stage's script.
        source: the folder that holds the package (`src`).

    Raises:
        MissingFileError: the script does not exist.
    """
    if not script.is_file():
        raise MissingFileError(f"Expected the script of stage {stage!r} at {script}, but there is none.")
    return _fingerprint(stage, {f"stages/{script.name}": script}, _imports(_tree(script), source), source)


def module_fingerprint(module: str, source: Path) -> Fingerprint:
    """Fingerprint of one module's import closure, e.g. `flairhub.sample.build`."""
    return _fingerprint(module, {}, frozenset({module}), source)


def _fingerprint(name: str, parts: dict[str, Path], roots: frozenset[str], source: Path) -> Fingerprint:
    modules = _closure(roots, source)
    files = parts | {module: _path_of(module, source) for module in modules}
    digests = {key: _digest(_tree(path)) for key, path in files.items()}
    for module in modules:
        path = _path_of(module, source)
        for data in _data_files(path):
            digests[data.relative_to(source).as_posix()] = hashlib.sha256(data.read_bytes()).hexdigest()
    total = hashlib.sha256()
    for key in sorted(digests):
        total.update(f"{key} {digests[key]}\n".encode())
    return Fingerprint(stage=name, sha256=total.hexdigest(), parts=dict(sorted(digests.items())))


def _closure(roots: frozenset[str], source: Path) -> list[str]:
    seen: set[str] = set()
    waiting = [parent for root in roots for parent in _with_parents(root)]
    while waiting:
        module = waiting.pop()
        if module in seen or module.startswith(VIEWS):
            continue
        seen.add(module)
        for imported in _imports(_tree(_path_of(module, source)), source):
            waiting.extend(_with_parents(imported))
    return sorted(seen)


def _with_parents(module: str) -> list[str]:
    """A module and the packages whose `__init__` runs before it."""
    names = module.split(".")
    return [".".join(names[: count + 1]) for count in range(len(names))]


def _tree(path: Path) -> ast.Module:
    return _parsed(path.read_text(encoding="utf-8"))


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _imports(tree: ast.Module, source: Path) -> frozenset[str]:
    """Modules of the package that a tree imports anywhere, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            submodules = (f"{node.module}.{alias.name}" for alias in node.names)
            found.update(name for name in submodules if _exists(name, source))
    return frozenset(name for name in found if name == PACKAGE or name.startswith(f"{PACKAGE}."))


def _exists(module: str, source: Path) -> bool:
    base = source.joinpath(*module.split("."))
    return base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()


def _path_of(module: str, source: Path) -> Path:
    base = source.joinpath(*module.split("."))
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if not path.is_file():
        raise MissingFileError(f"Expected module {module} at {path}, but there is none; an import names it.")
    return path


def _digest(tree: ast.Module) -> str:
    """Checksum of a syntax tree without docstrings and positions (comments are not part of it)."""
    stripped = _WithoutDocstrings().visit(ast.parse(ast.unparse(tree)))
    return hashlib.sha256(ast.dump(stripped, include_attributes=False).encode()).hexdigest()


class _WithoutDocstrings(ast.NodeTransformer):
    """Removes bare strings: docstrings of modules, classes and functions, and of attributes."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)


def _data_files(module_path: Path) -> list[Path]:
    """Package data beside a module whose file name occurs in it as a string, e.g. a CSV or a template."""
    words = {
        node.value
        for node in ast.walk(_tree(module_path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    siblings = (path for path in module_path.parent.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"})
    return sorted(path for path in siblings if path.name in words)
