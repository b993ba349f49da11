"""Fingerprints of code: which lines a stage's result depends on.

The import closure of a stage inside the package is followed through the syntax trees, and each module is
hashed without comments, docstrings, texts of exceptions and layout. A changed sentence, or a module the stage does not
import, leaves the fingerprint alone; so does what only surrounds a result (`concerns`).
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path

from flairhub.errors import MissingFileError
from flairhub.lineage.concerns import AROUND, PACKAGE, ROOTS, SURROUNDINGS
from flairhub.records.code import Fingerprint

LOCK = Path("requirements.lock")
"""Exact versions the installation uses."""


def stage_fingerprint(stage: str, script: Path, source: Path) -> Fingerprint:
    """Fingerprint of the code that makes a stage's result: of its roots in `concerns`, or else of its script.

    Args:
        stage: name of the stage.
        script: the stage's script; `_stage.py` beside it is what every script begins with.
        source: the folder that holds the package (`src`).

    Raises:
        MissingFileError: the script does not exist.
    """
    if not script.is_file():
        raise MissingFileError(f"Expected the script of stage {stage!r} at {script}, but there is none.")
    if stage in ROOTS:
        return code_fingerprint(stage, ROOTS[stage], source)
    scripts = [script, *(path for path in [script.with_name("_stage.py")] if path.is_file())]
    roots = frozenset().union(*(_imports(_tree(path), source) for path in scripts))
    return _fingerprint(stage, {f"stages/{path.name}": path for path in scripts}, roots, source)


def code_fingerprint(name: str, modules: Iterable[str], source: Path) -> Fingerprint:
    """Fingerprint of some modules and all that they import, e.g. `flairhub.sample.build`.

    Args:
        name: of the fingerprint; `concerns.AROUND` may leave out modules by it.
        modules: where to begin.
        source: the folder that holds the package (`src`).
    """
    return _fingerprint(name, {}, frozenset(modules), source)


def with_file(fingerprint: Fingerprint, path: Path) -> Fingerprint:
    """A fingerprint that also stands for the bytes of a file, e.g. of `requirements.lock`.

    Raises:
        MissingFileError: there is no such file.
    """
    if not path.is_file():
        raise MissingFileError(f"Expected {path}, which stage {fingerprint.stage!r} depends on, but there is none.")
    return _of_parts(fingerprint.stage, {**fingerprint.parts, path.name: hashlib.sha256(path.read_bytes()).hexdigest()})


def _fingerprint(name: str, parts: dict[str, Path], roots: frozenset[str], source: Path) -> Fingerprint:
    modules = _closure(roots, (*SURROUNDINGS, *AROUND.get(name, ())), source)
    files = parts | {module: _path_of(module, source) for module in modules}
    digests = {key: _digest(path.read_text(encoding="utf-8")) for key, path in files.items()}
    for module in modules:
        path = _path_of(module, source)
        for data in _data_files(path):
            digests[data.relative_to(source).as_posix()] = hashlib.sha256(data.read_bytes()).hexdigest()
    return _of_parts(name, digests)


def _of_parts(name: str, digests: Mapping[str, str]) -> Fingerprint:
    total = hashlib.sha256()
    for key in sorted(digests):
        total.update(f"{key} {digests[key]}\n".encode())
    return Fingerprint(stage=name, sha256=total.hexdigest(), parts=dict(sorted(digests.items())))


def _closure(roots: frozenset[str], left_out: Collection[str], source: Path) -> list[str]:
    """Modules that are reached, without those left out and what only they reach."""
    seen: set[str] = set()
    waiting = [parent for root in roots for parent in _with_parents(root)]
    while waiting:
        module = waiting.pop()
        if module in seen or any(module == name or module.startswith(f"{name}.") for name in left_out):
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
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            modules.add(node.module)
            submodules = (f"{node.module}.{alias.name}" for alias in node.names)
            modules.update(name for name in submodules if _exists(name, source))
    return frozenset(name for name in modules if name == PACKAGE or name.startswith(f"{PACKAGE}."))


def _exists(module: str, source: Path) -> bool:
    base = source.joinpath(*module.split("."))
    return base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()


def _path_of(module: str, source: Path) -> Path:
    base = source.joinpath(*module.split("."))
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if not path.is_file():
        raise MissingFileError(f"Expected module {module} at {path}, but there is none; an import names it.")
    return path


@cache  # most modules are part of most stages
def _digest(text: str) -> str:
    """Checksum of a module's syntax tree without words and positions (comments are not part of it)."""
    stripped = _WithoutWords().visit(ast.parse(ast.unparse(_parsed(text))))
    return hashlib.sha256(ast.dump(stripped, include_attributes=False).encode()).hexdigest()


class _WithoutWords(ast.NodeTransformer):
    """Removes what is said and not done: docstrings, also of attributes, and the texts of exceptions."""

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return self.generic_visit(node)

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
