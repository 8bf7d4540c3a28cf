"""What an answer depends on: every byte that is read, the configuration, the auditor's own code, and the day.

A body is never looked at alone. What a statement means depends on tables, functions and triggers of other files, so the hash is taken over
the bodies of all of them, with everything that stands around them: one that changes anywhere gives another key.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from tollway.audit.config import Config
from tollway.audit.load.files import expand
from tollway.audit.load.modules import files, module_name

_PACKAGE = Path(__file__).parents[1]


def key(config: Config, paths: Sequence[str], python: Sequence[str], *more: str) -> str:
    """The key of an analysis. `more` is what else its answer depends on, such as the format."""
    today = datetime.now(UTC).date().isoformat()  # a suppression may end
    told = [code(), sys.version, str(Path.cwd()), today, _plain(config), *more]
    hashed = hashlib.sha256(json.dumps(told).encode())
    for part in (*_sql(paths, config.exclude), *_python(python)):
        hashed.update(json.dumps(part).encode())
    return hashed.hexdigest()


@cache
def code() -> str:
    """The auditor itself: another version is another key, without a number that somebody forgets to raise."""
    hashed = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        hashed.update(str(file.relative_to(_PACKAGE)).encode() + b"\0" + file.read_bytes() + b"\0")
    return hashed.hexdigest()


def _plain(config: Config) -> str:
    def simple(value: Any) -> Any:
        return sorted(value) if isinstance(value, frozenset) else str(value)

    return json.dumps(asdict(config), sort_keys=True, default=simple)


def _sql(paths: Sequence[str], exclude: Sequence[str]) -> Iterator[list[str]]:
    for given in paths:
        yield ["given", given]
        for file in expand(given):
            if not any(file.match(pattern) for pattern in exclude):
                yield ["sql", str(file), _content(file)]


def _python(python: Sequence[str]) -> Iterator[list[str]]:
    for file in files(python):
        name = module_name(file)[0] if file.suffix == ".py" else ""
        yield ["python", str(file), name, _content(file)]


def _content(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"
