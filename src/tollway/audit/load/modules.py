"""Which files of Python there are, and what their modules are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

SKIPPED_FOLDERS = {".git", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache", "build", "dist", "site-packages"}


def module_name(path: Path) -> tuple[str, bool]:
    """The dotted name, counted from the outermost folder that is a package."""
    is_package = path.name == "__init__.py"
    parts = [] if is_package else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts) or path.parent.name, is_package


def files(paths: Iterable[Path | str]) -> Iterator[Path]:
    """The Python and the SQL of files and folders, in order."""
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(
                p for p in path.rglob("*") if p.suffix in {".py", ".sql"} and not SKIPPED_FOLDERS & set(p.parts[len(path.parts) : -1])
            )
        else:
            yield path
