"""Inputs: files, folders and globs, in a stable order. What cannot be read is named, and the analysis goes on."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tollway.audit.load.code import Source
from tollway.audit.model import TOP_LEVEL, Span, Unknown

_SQL = re.compile(
    r"(?is)\b(create\s+(or\s+replace\s+)?(function|procedure|table|trigger)|insert\s+into|update\s+\S+\s+set|delete\s+from)\b"
)
_STATEMENTS = 3
_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})


@dataclass(slots=True)
class Loaded:
    """The texts to analyse and what could not be read."""

    sources: list[Source] = field(default_factory=list)
    unknowns: list[Unknown] = field(default_factory=list)


def load(paths: Sequence[str], exclude: Sequence[str] = ()) -> Loaded:
    """Read every input. A folder gives its `.sql` files, sorted by path; a `.py` file gives the SQL in its string constants."""
    loaded = Loaded()
    seen: set[Path] = set()
    for given in paths:
        files = list(expand(given))
        closed = _closed(given)
        loaded.unknowns += closed
        if not files and not closed:
            loaded.unknowns.append(_unread(given, "nothing there: no such file, or a folder or pattern without SQL files"))
        kept = [file for file in files if not any(file.match(pattern) for pattern in exclude)]
        if files and not kept:
            loaded.unknowns.append(_unread(given, f"nothing left: exclude takes out all of its {len(files)} files"))
        for file in kept:
            if file not in seen:
                seen.add(file)
                _read(file, loaded)
    return loaded


def _closed(given: str) -> list[Unknown]:
    """The folders inside that may not be listed: a search for files passes them over."""
    found: list[Unknown] = []
    for _ in os.walk(given, onerror=lambda error: found.append(_unread(str(error.filename), error.strerror or str(error)))):
        pass
    return [
        u for u in found if Path(u.span.file).is_dir() and not any(_hidden(part) for part in Path(u.span.file).relative_to(given).parts)
    ]


def expand(given: str) -> Iterator[Path]:
    """The files of a path, a folder or a pattern, in order."""
    path = Path(given)
    if path.is_dir():
        inside = (p for p in path.rglob("*.sql") if not any(_hidden(part) for part in p.relative_to(path).parts))
        yield from sorted(inside, key=_natural)
    elif path.exists():
        yield path
    elif any(char in given for char in "*?["):
        root = Path(path.anchor) if path.is_absolute() else Path()
        pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else given
        yield from sorted((p for p in root.glob(pattern) if p.is_file()), key=_natural)


def _hidden(part: str) -> bool:
    return part.startswith(".") or part in _SKIPPED


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """`V2__x.sql` before `V10__y.sql`."""
    return [(1, int(bit), "") if bit.isdigit() else (0, 0, bit) for bit in re.split(r"(\d+)", str(path)) if bit]


def _unread(file: str, why: str) -> Unknown:
    return Unknown("unreadable", TOP_LEVEL, Span(file, 1), why)


def _read(path: Path, loaded: Loaded) -> None:
    try:
        raw = path.read_bytes()
    except OSError as error:
        loaded.unknowns.append(_unread(str(path), error.strerror or str(error)))
        return
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = raw.decode("utf-16", errors="replace")
    elif b"\0" in raw:
        loaded.unknowns.append(_unread(str(path), "binary: it has a zero byte (a pg_dump archive? give it as plain SQL)"))
        return
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            loaded.unknowns.append(_unread(str(path), f"not UTF-8 (byte {error.start}); read as Latin-1"))
            text = raw.decode("latin-1")
    if path.suffix == ".py":
        loaded.sources += _constants(path, text, loaded)
    else:
        loaded.sources.append(Source(str(path), text))


def _constants(path: Path, text: str, loaded: Loaded) -> list[Source]:
    """The SQL scripts among a module's string constants. Single statements are the Python reader's affair."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        loaded.unknowns.append(_unread(str(path), f"not Python: {error}"))
        return []
    lines = text.splitlines()
    named = _named(tree)
    nodes = ((n, n.value) for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    scripts = [(n, t) for n, t in nodes if _is_script(t)]
    scripts.sort(key=lambda pair: id(pair[0]) in named)  # what a collection holds are migrations; the whole schema has the last word
    return [_constant(path, node, script, lines, named.get(id(node), "")) for node, script in scripts]


def _named(tree: ast.Module) -> dict[int, str]:
    """The names of constants that stand alone on the right of an assignment."""
    found: dict[int, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[id(node.value)] = node.targets[0].id
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[id(node.value)] = node.target.id
    return found


def _is_script(text: str) -> bool:
    return bool(_SQL.search(text)) and (text.count(";") >= _STATEMENTS or "$" in text)


def _constant(path: Path, node: ast.Constant, text: str, lines: list[str], name: str) -> Source:
    physical = (node.end_lineno or node.lineno) - node.lineno
    first = lines[node.lineno - 1].rstrip()
    continued = 1 if first.endswith("\\") else 0
    if physical - continued == text.count("\n"):
        return Source(str(path), text, node.lineno + continued)
    return Source(f"{path}#{name or f'{node.lineno}:{node.col_offset + 1}'}", text)
