"""The input: the standard library of this Python, found and measured file by file. Nothing durable here."""

from __future__ import annotations

import ast
import sysconfig
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

LIBRARY = Path(sysconfig.get_path("stdlib"))
# The library's own tests are three fifths of its files, and not what people mean by it.
LEFT_OUT = frozenset({"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"})

# Two threads that make syntax trees at once make CPython 3.11 raise "AST constructor recursion depth mismatch".
ONE_AT_A_TIME = threading.Lock()

Measures = dict[str, Any]


def discover(packages: int | None = None) -> dict[str, list[str]]:
    """The files of each top-level package or module, below `LIBRARY`; all of them, or those of most files."""
    found: dict[str, list[str]] = {}
    for file in sorted(LIBRARY.rglob("*.py")):
        path = file.relative_to(LIBRARY)
        if not LEFT_OUT.intersection(path.parts):
            found.setdefault(path.parts[0].removesuffix(".py"), []).append(path.as_posix())
    largest = sorted(found, key=lambda package: (-len(found[package]), package))
    return {package: found[package] for package in largest[:packages]}


def measure(path: str) -> Measures:
    """Read, parse and measure one file."""
    content = (LIBRARY / path).read_bytes()
    functions: list[tuple[int, str]] = []
    classes = 0
    try:
        with ONE_AT_A_TIME:
            tree = ast.parse(content, path)
        nodes = list(ast.walk(tree))
    except SyntaxError:  # some distributions ship templates, and code of other versions of Python
        nodes = []
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.append(((node.end_lineno or node.lineno) - node.lineno + 1, node.name))
        elif isinstance(node, ast.ClassDef):
            classes += 1
    lines, name = max(functions, default=(0, ""))
    return {
        "path": path,
        "lines": content.count(b"\n"),
        "functions": len(functions),
        "classes": classes,
        "longest": {"name": name, "lines": lines, "path": path},
        "sha256": sha256(content).hexdigest(),
    }


def summed(name: str, parts: list[Measures]) -> Measures:
    """The measures of many as one; `files` counts the leaves, `sha256` is the hash of their hashes."""
    return {
        "name": name,
        "files": sum(part.get("files", 1) for part in parts),
        "lines": sum(part["lines"] for part in parts),
        "functions": sum(part["functions"] for part in parts),
        "classes": sum(part["classes"] for part in parts),
        "longest": max((part["longest"] for part in parts), key=lambda longest: (longest["lines"], longest["path"])),
        "sha256": sha256("".join(part["sha256"] for part in parts).encode()).hexdigest(),
    }
