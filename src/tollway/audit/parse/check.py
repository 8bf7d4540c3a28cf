"""A second opinion: Postgres's own parser counts the writes of a statement, and must agree with the reader of tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from tollway.audit.errors import ParserMissing
from tollway.audit.load.split import Statement

_WRITES = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_VERB = re.compile(r"(?i)\b(?:insert|update|delete|merge)\b")


def parser() -> Any:
    """The module postgast.

    Raises:
        ParserMissing: it is not installed.
    """
    try:
        import postgast
    except ImportError as error:
        raise ParserMissing from error
    return postgast


def writes_counted(stmt: Statement) -> int | None:
    """How many writes Postgres sees; None when it cannot parse the text (PL/pgSQL's INTO, a half-known text)."""
    if not _VERB.search(stmt.code.text):
        return 0
    parser()  # it must be there, whatever the cache holds
    return _counted(stmt.code.text)


def complaint(stmt: Statement) -> str | None:
    """Why Postgres's own parser refuses a statement of a schema; None when it takes it."""
    postgast = parser()
    try:
        postgast.parse(stmt.code.text)
    except postgast.PgQueryError as error:
        return str(error).splitlines()[0]
    return None


@lru_cache(maxsize=4096)
def _counted(text: str) -> int | None:
    postgast = parser()
    try:
        tree = postgast.parse(text)
    except postgast.PgQueryError:
        return None
    return sum(1 for raw in tree.stmts for name in _kinds(raw.stmt) if name in _WRITES)


def statements_begun(stmt: Statement) -> int:
    """How many writes the words of a text begin, where Postgres cannot parse it: INSERT INTO, DELETE FROM, MERGE INTO, UPDATE t SET."""
    found = 0
    for i, token in enumerate(stmt.tokens):
        if token.kind != "name":
            continue
        follows = stmt.word(i + 1)
        if token.word in ("insert", "merge"):
            found += follows == "into"
        elif token.word == "delete":
            found += follows == "from"
        elif token.word == "update" and follows not in ("set", "of", "on", "or", ""):
            found += "set" in [stmt.word(k) for k in range(i + 2, min(i + 9, len(stmt.tokens)))]
    return found


def _kinds(message: Any) -> Iterator[str]:
    yield message.DESCRIPTOR.name
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED:
            for item in value:
                yield from _kinds(item)
        else:
            yield from _kinds(value)
