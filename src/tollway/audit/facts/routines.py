"""CREATE FUNCTION and its like: header, body, options."""

from __future__ import annotations

import hashlib

from tollway.audit.facts.catalog import Body, Catalog
from tollway.audit.load.code import Code, join
from tollway.audit.load.split import Statement, fill, split
from tollway.audit.load.tokens import literal
from tollway.audit.model import Routine, Unknown
from tollway.audit.parse.names import close_of, commas, folded, name_at
from tollway.audit.parse.plpgsql import BodyError, Node, read_body, sub

_MODES = frozenset({"in", "out", "inout", "variadic"})
_NO_BODY = frozenset({"c", "internal"})


def read_routine(stmt: Statement, i: int, catalog: Catalog, origin: str) -> Body | None:
    """The routine of a statement whose name is at token i, read as far as it can be."""
    tokens = stmt.tokens
    name, paren = name_at(tokens, i)
    if not name or stmt.word(paren) != "(":
        return None
    name = catalog.qualify(name)
    close = close_of(tokens, paren)
    params, types, needed = _parameters(stmt, paren + 1, close)
    words = [t.word if t.kind in ("name", "op", "quoted") else "" for t in tokens]
    language = language_of(stmt, words, close) or "sql"
    code = _body(stmt, words, close)
    where = stmt.code.span(0, len(stmt.code.text))
    returns = words[words.index("returns", close) + 1] if "returns" in words[close:-1] else ""
    routine = Routine(
        id=f"{name}/{len(types)}",
        name=name,
        args=tuple(types),
        span=where,
        line_end=where.end,
        language=language,
        returns=returns,
        body_hash=hashlib.sha256(code.text.encode(errors="replace")).hexdigest()[:16] if code else "",
        security_definer="definer" in words[close:],
        search_path=_search_path(stmt, words, close),
        origin="dynamic" if origin == "dynamic" else "file",
        min_args=needed,
    )
    body = Body(routine, tuple(params), code, statement=sub(stmt, paren, close + 1), replica=bool(sets_replica(stmt, close)))
    if code is not None:
        body.tree = read_tree(routine, code, catalog)
    elif language not in _NO_BODY:
        catalog.unknowns.append(Unknown("no body", routine.id, where, "the routine's body was not found"))
    return body


def sets_replica(stmt: Statement, first: int) -> bool | None:
    """What SET says of `session_replication_role` after token `first`, outside of the body; None if nothing."""
    said = None
    for at in range(first, len(stmt.tokens) - 2):
        if stmt.tokens[at].word == "session_replication_role" and stmt.word(at - 1) in ("set", "reset"):
            value = stmt.tokens[at + 2]
            text = "".join(p.text for p in literal(stmt.code, value)) if value.kind == "string" else value.word
            said = text.lower() == "replica"
    return said


def _search_path(stmt: Statement, words: list[str], close: int) -> str:
    """The schemas, as `a, b`."""
    if "search_path" not in words[close:]:
        return ""
    at = words.index("search_path", close) + 2
    return ", ".join(schemas(stmt, at))


def schemas(stmt: Statement, at: int) -> list[str]:
    """The list of a search_path that begins at token `at`: names, quoted names, or strings."""
    found: list[str] = []
    while at < len(stmt.tokens) and stmt.tokens[at].kind in ("name", "quoted", "string"):
        token = stmt.tokens[at]
        text = "".join(p.text for p in literal(stmt.code, token)) if token.kind == "string" else folded(token.word)
        found += [part.strip(' "') for part in text.split(",")] if token.kind == "string" else [text]
        if stmt.word(at + 1) != ",":
            break
        at += 2
    return [name for name in found if name not in ("", "$user", "default", "current")]


def language_of(stmt: Statement, words: list[str], close: int) -> str:
    """The language as written after LANGUAGE, a name or a string; "" where it is not said."""
    for at in range(close, len(words) - 1):
        if words[at] == "language":
            token = stmt.tokens[at + 1]
            return "".join(p.text for p in literal(stmt.code, token)).lower() if token.kind == "string" else words[at + 1]
    return ""


def _parameters(stmt: Statement, first: int, last: int) -> tuple[list[str], list[str], int]:
    """Names and types of the input parameters, and how many have no default."""
    names: list[str] = []
    types: list[str] = []
    needed = 0
    for start, stop in commas(stmt.tokens, first, last):
        words = [stmt.tokens[k].word for k in range(start, stop)]
        at = start
        modes = {w for w in words[:2] if w in _MODES}
        modes -= {"out"} if words[:2] == ["in", "out"] else set()
        while at < stop and stmt.tokens[at].word in _MODES:
            at += 1
        cut = next((k for k in range(at, stop) if stmt.tokens[k].word in ("default", "=", ":=")), stop)
        if "out" in modes or at >= cut:
            continue
        single = cut - at == 1 or stmt.word(at + 1) in ("[", "(", ".", "varying", "precision")
        names.append("" if single else stmt.tokens[at].word)
        at += 0 if single else 1
        if at < cut and stmt.tokens[at].word in _MODES:
            at += 1
        types.append(stmt.code.text[stmt.tokens[at].start : stmt.tokens[cut - 1].end] if at < cut else "")
        needed += cut == stop
    return names, types, needed


def _body(stmt: Statement, words: list[str], close: int) -> Code | None:
    tokens = stmt.tokens
    for at in range(close, len(tokens)):
        if words[at] == "as" and at + 1 < len(tokens) and tokens[at + 1].kind in ("string", "dollar"):
            return join(literal(stmt.code, tokens[at + 1]), stmt.code.source, dynamic=stmt.code.dynamic)
        if words[at] == "atomic" and words[at - 1] == "begin":
            return stmt.code.slice(tokens[at].end, tokens[-1].start if words[-1] == "end" else tokens[-1].end)
        if words[at] == "return" and at > close:
            return stmt.code.slice(tokens[at].start, tokens[-1].end)
    return None


def read_tree(routine: Routine, code: Code, catalog: Catalog) -> Node | None:
    """The body as a tree; what cannot be read becomes an Unknown."""
    code = fill(code, catalog.placeholders)
    if routine.language == "plpgsql":
        try:
            return read_body(code)
        except (BodyError, IndexError, RecursionError) as error:
            catalog.unknowns.append(Unknown("unparsed", routine.id, routine.span, f"PL/pgSQL not understood: {error}"))
            return flat(code)
    if routine.language == "sql":
        return flat(code)
    if routine.language not in _NO_BODY:
        catalog.unknowns.append(Unknown("language", routine.id, routine.span, f"written in {folded(routine.language)}, which is not read"))
    return None


def flat(code: Code) -> Node:
    """A body of SQL statements, one after the other."""
    node = Node("block", 0)
    statements = list(split(code))
    body: list[Node] = []
    for stmt in statements:
        if stmt.word(0) == "return":
            stmt = sub(stmt, 1, len(stmt.tokens))
        body.append(Node("sql", 0, stmt))
    node.branches.append(body)
    return node
