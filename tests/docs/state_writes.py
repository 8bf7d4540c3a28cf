"""Every statement in the engine's SQL that writes a state or a derived record, found in the text with Postgres's own parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import postgast

SQL = Path(__file__).parents[2] / "src" / "tollway" / "sql"
# a table, and the column of it whose change is a change of state; None: every row of it is a record
STATES = {"task": "state", "event": "emitted_at", "workflow_run": None, "run": None, "absurd_event_log": None}
BODY = re.compile(r"create or replace function absurd\.(\w+)\(.*?\nas \$\$(.*?)\$\$;", re.DOTALL)
VERBS = {"insert": "into", "update": "absurd", "delete": "from", "merge": "into"}


@dataclass(frozen=True, order=True)
class Written:
    """A function, and what one of its statements does to which table."""

    function: str
    verb: str
    table: str


def state_writes() -> list[Written]:
    """All of them, in the order of the functions' names; a function that writes twice alike is told twice."""
    found = [
        written
        for path in sorted(SQL.rglob("*.sql"))
        for name, body in BODY.findall(path.read_text())
        for statement in _statements(body)
        for written in _written(name, statement)
    ]
    return sorted(found)


def _statements(body: str) -> Iterator[str]:
    """Each INSERT, UPDATE, DELETE and MERGE of a body, those within WITH and loops too."""
    encoded = body.encode()
    tokens = [(encoded[t.start : t.end].decode().lower(), t.start, t.end) for t in postgast.scan(body).tokens]
    for i, (word, start, _) in enumerate(tokens[:-1]):
        if word not in VERBS or tokens[i + 1][0] != VERBS[word] or tokens[i - 1][0] in ("for", "do", "key"):
            continue
        depth, end = 0, len(encoded)
        for j, (following, begins, _) in enumerate(tokens[i + 1 :], i + 1):
            depth += {"(": 1, ")": -1}.get(following, 0)
            if depth < 0 or (depth == 0 and (following in (";", "loop") or _is_into(tokens, j, word))):
                end = begins
                break
        yield encoded[start:end].decode()


def _is_into(tokens: list[tuple[str, int, int]], at: int, verb: str) -> bool:
    """RETURNING ... INTO a variable is PL/pgSQL's, not SQL's."""
    return tokens[at][0] == "into" and tokens[at - 1][0] != verb and tokens[at + 1][0] != "absurd"


def _written(function: str, statement: str) -> Iterator[Written]:
    (parsed,) = postgast.parse(statement).stmts
    kind = parsed.stmt.WhichOneof("node")
    node = getattr(parsed.stmt, kind)
    verb = {"insert_stmt": "insert", "update_stmt": "update", "delete_stmt": "delete", "merge_stmt": "merge"}[kind]
    table = node.relation.relname
    if node.relation.schemaname != "absurd" or table not in STATES:
        return
    if verb != "update" or STATES[table] in (None, *_columns(node.target_list)):
        yield Written(function, verb, table)
    if verb == "insert" and node.on_conflict_clause.target_list:
        yield Written(function, "update", table)


def _columns(targets: Any) -> list[str]:
    return [target.res_target.name for target in targets]
