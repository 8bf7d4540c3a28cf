"""The facts of one SQL statement: writes, calls, notifications, removals."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.facts.catalog import Body, Catalog
from tollway.audit.facts.dml import RawWrite, read_writes
from tollway.audit.load.split import Statement
from tollway.audit.load.tokens import Token
from tollway.audit.model import Call, CallKind, Effect, Routine, Span, Verb, Write
from tollway.audit.parse.names import HOLE, close_of, commas, folded, name_at, same_relation, short
from tollway.audit.resolve.evaluate import Env

_NOT_CALLS = frozenset({"into", "table", "function", "procedure", "references", "exists", "as", "index"})
_DYNAMIC = 0.95


def canonical(name: str, catalog: Catalog, routine: Routine | None) -> str:
    """A relation's name as its table was created, found through the search_path where it has no schema."""
    if (here := catalog.qualify(name)) in catalog.tables:
        return here
    if name in catalog.tables:
        return name
    if name in catalog.renamed:
        return catalog.renamed[name]
    if "." in name:
        return name
    for schema in routine.search_path.split(",") if routine else []:
        if (full := f"{schema.strip()}.{name}") in catalog.tables or full in catalog.renamed:
            return catalog.renamed.get(full, full) if full not in catalog.tables else full
    homes = [t for t in catalog.tables if short(t) == name]
    return homes[0] if len(homes) == 1 else catalog.qualify(name)


def writes_of(
    stmt: Statement, routine: Routine | None, catalog: Catalog, owner: str, guards: tuple[str, ...], env: Env | None = None
) -> Iterator[Write]:
    """The writes of a statement, without their bearing on states, which needs the whole schema."""
    for raw in read_writes(stmt):
        dynamic = stmt.code.dynamic
        relation = canonical(raw.relation, catalog, routine)
        columns = tuple(catalog.column_now(relation, c) for c in raw.columns) + (("*",) if raw.open_columns else ())
        yield Write(
            routine=owner,
            verb=raw.verb,
            relation=relation,
            columns=columns,
            span=stmt.code.span(stmt.tokens[raw.index].start, via="dynamic" if dynamic else ""),
            dynamic=dynamic,
            confidence=_DYNAMIC if dynamic else 1.0,
            values=tuple((catalog.column_now(relation, c), v) for c, vs in raw.values.items() for v in _known(vs, env or {})),
            guards=guards,
            returned=raw.returning and (not raw.cte or _used(stmt.tokens, raw.cte)),
            cte=raw.cte,
            keyed=_keyed(stmt, raw.where),
            upsert=raw.upsert,
            events=tuple(dict.fromkeys(raw.events)),
            held=tuple((catalog.column_now(relation, c), v) for c, v in _held(stmt, raw)) if raw.verb == "update" else (),
            only=raw.only,
            inserted=tuple(catalog.column_now(relation, c) for c in raw.inserted or ()),
            partial=raw.selected and case_may_be_null(stmt) and _drops_nulls(stmt),
        )
    yield from removals_of(stmt, routine, catalog, owner, guards)


def _known(values: list[str], env: Env) -> Iterator[str]:
    """Constants, and what variables hold; `?` for what is not known."""
    for value in values:
        texts = [text.text for text in env[value[1:]]] if value[1:] in env else ["?"] if value.startswith("?") else [value]
        yield from dict.fromkeys("?" if HOLE in text else text for text in texts or ["null"])


def _used(tokens: list[Token], cte: str) -> bool:
    return sum(1 for t in tokens if t.word == cte and t.kind in ("name", "quoted")) > 1


def case_may_be_null(stmt: Statement) -> bool:
    """A CASE without ELSE, or with ELSE NULL: it has no answer for a value that is not listed."""
    words = [t.word if t.kind in ("name", "op") else "" for t in stmt.tokens]
    for i, word in enumerate(words):
        if word != "case":
            continue
        end = words.index("end", i) if "end" in words[i:] else len(words)
        if "else" not in words[i:end] or words[end - 2 : end] == ["else", "null"]:
            return True
    return False


def _drops_nulls(stmt: Statement) -> bool:
    """Whether an IS NOT NULL asks for something that a CASE may have given: an expression, or a name given in this statement."""
    words = [t.word if t.kind in ("name", "quoted", "op") else "" for t in stmt.tokens]
    given = {"case"}
    for i, word in enumerate(words):
        if word == "end":
            given.add(words[i + 1 + (words[i + 1 : i + 2] == ["as"])] if i + 2 < len(words) else "")
        elif word == "(" and ")" in words[i:]:
            close = words.index(")", i)
            if words[i - 2] in (")", "as") or words[close + 1 : close + 2] == ["as"]:  # the columns of an alias or a WITH
                given.update(words[i + 1 : close])
    asked = [words[i - 1] for i in range(1, len(words) - 2) if words[i : i + 3] == ["is", "not", "null"]]
    return any(word in given or word in (")", "end") for word in asked)


def _held(stmt: Statement, raw: RawWrite) -> Iterator[tuple[str, str]]:
    """`status = 'a'` and `status in ('a', 'b')` among conditions that must all hold, of the table that is changed."""
    first, last = raw.where
    depth = 0
    outer: list[int] = []
    for i in range(first, last):
        depth -= stmt.word(i) == ")"
        outer += [i] if depth == 0 else []
        depth += stmt.word(i) == "("
    if any(stmt.tokens[i].kind == "name" and stmt.word(i) in ("or", "not", "between", "case") for i in outer):
        return
    for i in outer:
        if stmt.tokens[i].kind in ("name", "quoted") and stmt.word(i - 1) in ("and", "where"):
            yield from ((stmt.word(i), value) for value in _constants(stmt, i + 1))


def _constants(stmt: Statement, at: int) -> tuple[str, ...]:
    """The constants of `= 'a'` or `in ('a', 'b')` at token `at`; none where anything else stands there."""
    inside = range(0)
    if stmt.word(at) == "=" and stmt.word(at + 2) in ("and", "returning", "", ";", ")"):
        inside = range(at + 1, min(at + 2, len(stmt.tokens)))
    elif stmt.word(at) == "in" and stmt.word(at + 1) == "(":
        inside = range(at + 2, close_of(stmt.tokens, at + 1))
    texts = [stmt.tokens[k] for k in inside if stmt.word(k) != ","]
    return tuple(stmt.code.text[t.start : t.end].strip("'") for t in texts) if all(t.kind == "string" for t in texts) else ()


def _keyed(stmt: Statement, where: tuple[int, int]) -> bool:
    """Whether the WHERE pins a row by an equality on something that reads like a key."""
    for i in range(*where):
        token = stmt.tokens[i]
        if (
            token.kind in ("name", "quoted")
            and (token.word == "id" or token.word.endswith(("_id", "id", "key")))
            and stmt.word(i + 1) == "="
        ):
            return True
    return False


def removals_of(stmt: Statement, routine: Routine | None, catalog: Catalog, owner: str, guards: tuple[str, ...]) -> Iterator[Write]:
    """DROP TABLE and SCHEMA, DETACH PARTITION, and what TRUNCATE ... CASCADE empties: rows that go without a DELETE."""
    for verb, name in _removed(stmt, routine, catalog):
        relation = canonical(name, catalog, routine)
        dynamic = stmt.code.dynamic
        yield Write(owner, verb, relation, (), stmt.code.span(0), dynamic, confidence=_DYNAMIC if dynamic else 1.0, guards=guards)


def _removed(stmt: Statement, routine: Routine | None, catalog: Catalog) -> Iterator[tuple[Verb, str]]:
    head, kind = stmt.word(0), stmt.word(1)
    at = 2 + 2 * (stmt.word(2) == "if")
    if head == "drop" and kind in ("table", "schema"):
        for start, _ in commas(stmt.tokens, at, len(stmt.tokens)):
            name, _after = name_at(stmt.tokens, start)
            inside = [t.name for t in catalog.tables.values() if t.name.startswith(f"{name}.") and not t.view]
            yield from (("drop", n) for n in (inside if kind == "schema" else [name]) if n)
    elif head == "truncate" and stmt.word(len(stmt.tokens) - 1) == "cascade":
        named = [canonical(raw.relation, catalog, routine) for raw in read_writes(stmt)]
        yield from (("truncate", n) for n in _referring(named, catalog))
    elif head == "alter" and "detach" in [t.word for t in stmt.tokens]:
        name, _after = name_at(stmt.tokens, at)
        if name:
            yield "detach", name


def _referring(named: list[str], catalog: Catalog) -> list[str]:
    """The tables that TRUNCATE ... CASCADE empties too: whose foreign keys lead to these, over others as well."""
    found = list(named)
    for target in found:
        found += [a for a, b in dict.fromkeys(catalog.references) if same_relation(b, target) and a not in found]
    return found[len(named) :]


class RawCall:
    """`name(` with its arguments, before anything is known about the name."""

    __slots__ = ("args", "index", "name", "stmt")

    def __init__(self, name: str, index: int, args: list[tuple[int, int]], stmt: Statement) -> None:
        self.name, self.index, self.args, self.stmt = name, index, args, stmt

    @property
    def span(self) -> Span:
        return self.stmt.code.span(self.stmt.tokens[self.index].start)


def calls_of(stmt: Statement) -> Iterator[RawCall]:
    """Every `name(...)` that can be a call."""
    tokens = stmt.tokens
    for i in range(len(tokens) - 1):
        token, paren = tokens[i], tokens[i + 1]
        if paren.word != "(" or paren.kind != "op" or token.kind not in ("name", "quoted"):
            continue
        name, first = folded(token.word), i
        if i > 1 and tokens[i - 1].word == "." and tokens[i - 2].kind in ("name", "quoted"):
            name, first = f"{folded(tokens[i - 2].word)}.{name}", i - 2
        if first and tokens[first - 1].kind == "name" and tokens[first - 1].word in _NOT_CALLS:
            continue
        yield RawCall(name, first, commas(tokens, i + 2, close_of(tokens, i + 1)), stmt)


def idle_ctes(stmt: Statement) -> Iterator[tuple[str, int, int]]:
    """(name, first, last token) of the SELECTs in WITH whose name stands nowhere else: Postgres never runs them."""
    if not any(t.word == "with" for t in stmt.tokens):
        return
    for i, token in enumerate(stmt.tokens):
        if token.kind not in ("name", "quoted") or stmt.word(i - 1 if i else 0) not in ("with", ",", "recursive"):
            continue
        at = close_of(stmt.tokens, i + 1) + 1 if stmt.word(i + 1) == "(" else i + 1
        if stmt.word(at) != "as":
            continue
        at += 1
        while stmt.word(at) in ("not", "materialized"):
            at += 1
        if stmt.word(at) == "(" and stmt.word(at + 1) in ("select", "values") and not _used(stmt.tokens, token.word):
            yield token.word, at, close_of(stmt.tokens, at)


def idle_spans(stmt: Statement) -> list[tuple[Span, Span]]:
    """From where to where those stand."""
    return [(stmt.code.span(stmt.tokens[a].start), stmt.code.span(stmt.tokens[b].start)) for _, a, b in idle_ctes(stmt)]


def within(span: Span, places: list[tuple[Span, Span]]) -> bool:
    at = (span.line, span.col)
    return any((a.line, a.col) < at < (b.line, b.col) for a, b in places)


def resolve(raw: RawCall, catalog: Catalog, owner: str, kind: CallKind, guards: tuple[str, ...]) -> Iterator[Call]:
    """The routines that a call can mean: by name, then by the number of arguments; all overloads if none fits."""
    found = catalog.named(raw.name)
    if "." not in raw.name and any("." in b.routine.name for b in found):
        found = _unqualified(raw.name, found, owner)
    count = len(raw.args)
    fits = [b for b in found if b.routine.min_args <= count <= len(b.routine.args)]
    if not fits and any("variadic" in a.lower() for b in found for a in b.routine.args):
        fits = found
    for target in dict.fromkeys(b.routine.id for b in fits or found):
        yield Call(owner, target, raw.span, kind, guards)


def _unqualified(name: str, found: list[Body], owner: str) -> list[Body]:
    """A name without a schema means the server's own function of that name first; else rather one of the caller's schema."""
    public = [b for b in found if b.routine.name.removeprefix("public.") == name]
    if name in _BUILT_IN:
        return public
    schema = owner.rpartition(".")[0]
    near = [b for b in found if schema and b.routine.name.startswith(f"{schema}.")]
    return near or public or found


_BUILT_IN = frozenset(
    {
        *("abs", "age", "any_value", "array_agg", "array_append", "array_cat", "array_length", "array_position", "array_remove"),
        *("array_to_string", "avg", "btrim", "cardinality", "ceil", "char_length", "clock_timestamp", "coalesce", "concat", "concat_ws"),
        *("count", "current_setting", "date_part", "date_trunc", "decode", "digest", "encode", "every", "extract", "first_value", "floor"),
        *("format", "gen_random_uuid", "generate_series", "greatest", "json_build_object", "jsonb_agg", "jsonb_build_object", "jsonb_set"),
        *("lag", "last_value", "lead", "least", "left", "length", "lower", "ltrim", "make_interval", "max", "md5", "min", "mod", "nextval"),
        *("now", "nullif", "pg_notify", "position", "power", "quote_ident", "quote_literal", "random", "rank", "regexp_replace", "repeat"),
        *("replace", "reverse", "right", "round", "row_number", "row_to_json", "rpad", "rtrim", "set_config", "setval", "split_part"),
        *(
            "statement_timestamp",
            "string_agg",
            "string_to_array",
            "substr",
            "substring",
            "sum",
            "to_char",
            "to_date",
            "to_json",
            "to_jsonb",
        ),
        *("to_timestamp", "transaction_timestamp", "trim", "unnest", "upper", "uuid_generate_v4", "version"),
    }
)


def notifications(stmt: Statement, owner: str, guards: tuple[str, ...]) -> Iterator[Effect]:
    """NOTIFY and pg_notify."""
    if stmt.word(0) == "notify":
        yield Effect("notify", stmt.word(1), owner, stmt.code.span(0), guards)
    for raw in calls_of(stmt):
        if short(raw.name) == "pg_notify":
            channel = raw.stmt.tokens[raw.args[0][0]] if raw.args else None
            text = stmt.code.text[channel.start : channel.end].strip("'") if channel and channel.kind == "string" else "*"
            yield Effect("notify", text, owner, raw.span, guards)


__all__ = ["RawCall", "calls_of", "canonical", "notifications", "removals_of", "resolve", "writes_of"]
