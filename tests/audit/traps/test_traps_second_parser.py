"""A second parser reads every PL/pgSQL body that we have, and must count the same statements of each kind as the auditor's reader."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_postgres
from test_traps_parsing import TYPES
from traps_base import JOB

from tollway.audit.analysis import read_sources
from tollway.audit.config import Config
from tollway.audit.facts.catalog import Body
from tollway.audit.load.code import Source
from tollway.audit.load.files import load
from tollway.audit.parse.plpgsql import Node, Reader

AUDIT = Path(__file__).parents[1]
CORPORA = [AUDIT.parents[1] / "src" / "tollway" / "sql", AUDIT / "origin" / "sql", AUDIT / "truth" / "blind"]
NOT_PARSED = {"crm.win"}
"""What the second parser does not take: a variable whose name is a quoted keyword."""
TYPES_NOT_PARSED = {"%type[]", "a collation"}
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_postgres.language_plpgsql()))

THEIRS = {
    "pl_block": "block",
    "stmt_execsql": "sql",
    "stmt_dynexecute": "sql",
    "stmt_open": "sql",
    "stmt_call": "sql",
    "stmt_for": "loop",
    "stmt_foreach_a": "loop",
    "stmt_while": "loop",
    "stmt_getdiag": "other",
    **{f"stmt_{kind}": "other" for kind in ("null", "fetch", "move", "close", "assert", "commit", "rollback")},
    **{f"stmt_{kind}": kind for kind in ("assign", "if", "case", "loop", "return", "raise", "exit", "perform")},
}


def theirs(text: str) -> Counter[str] | None:
    """Statements by kind as the second parser reads them; None when it cannot."""
    root = PARSER.parse(text.encode()).root_node
    found: Counter[str] = Counter()
    waiting = [root]
    for node in waiting:
        found[THEIRS.get(node.type, node.type if node.type.startswith("stmt_") else "")] += 1
        waiting += node.children
    del found[""]
    return None if root.has_error else found


def ours(tree: Node) -> Counter[str]:
    """The same, of the auditor's tree."""
    found: Counter[str] = Counter()
    waiting = [tree]
    for node in waiting:
        found["sql" if node.kind == "execute" or node.word == "open" else node.kind] += 1
        waiting += [inner for branch in (*node.branches, *node.handlers) for inner in branch]
    return found


def differing(bodies: list[Body]) -> dict[str, str]:
    """The bodies that the two read in different ways."""
    told: dict[str, str] = {}
    for body in bodies:
        assert body.tree is not None
        assert body.code is not None
        a, b = ours(body.tree), theirs(body.code.text)
        if a != b:
            told[body.routine.name] = "not parsed" if b is None else f"{a - b} against {b - a}"
    return told


def bodies_of(sources: list[Source]) -> list[Body]:
    return [b for b in read_sources(Config(), sources).overloads if b.routine.language == "plpgsql" and b.code is not None]


@cache
def corpora() -> list[Body]:
    return [body for folder in CORPORA for body in bodies_of(load([str(folder)]).sources)]


def test_trap_1_a_second_parser_counts_the_same_statements() -> None:
    assert len(corpora()) > 200
    assert differing(corpora()) == dict.fromkeys(NOT_PARSED, "not parsed")


@pytest.mark.parametrize("case", TYPES)
def test_trap_1_both_parsers_read_the_types_that_lose_a_function(case: str) -> None:
    body = (
        f"create function app.f() returns void language plpgsql as $$ declare {TYPES[case]} begin update app.job set state = 'x'; end $$;"
    )

    assert differing(bodies_of([Source("a.sql", f"{JOB}\n{body}")])) == ({"app.f": "not parsed"} if case in TYPES_NOT_PARSED else {})


def test_trap_1_a_statement_that_our_reader_loses_is_told_by_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "_read_perform", lambda reader: reader._until(";") and None)

    assert differing(bodies_of(load([str(CORPORA[1])]).sources)).keys() == {"engine.create_queue", "engine.claim_task"}
