"""CREATE TRIGGER."""

from __future__ import annotations

from tollway.audit.facts.catalog import Catalog
from tollway.audit.load.split import Statement
from tollway.audit.model import Trigger
from tollway.audit.parse.names import close_of, name_at


def create_trigger(stmt: Statement, at: int, catalog: Catalog, origin: str) -> None:
    """Note a trigger, with everything that decides when it fires."""
    words = [t.word for t in stmt.tokens]
    name, at = name_at(stmt.tokens, at)
    if "on" not in words[at:] or "execute" not in words[at:]:
        return
    on = words.index("on", at)
    timing = "before" if words[at] == "before" else "instead of" if words[at] == "instead" else "after"
    events, columns = _events(words, at, on)
    relation, after = name_at(stmt.tokens, on + 1)
    table = catalog.table(relation)
    relation = table.name if table and "*" not in table.name else catalog.qualify(relation)
    execute = len(words) - 1 - words[::-1].index("execute")
    function, _ = name_at(stmt.tokens, execute + 2)
    head = words[after:execute]
    when = ""
    if "when" in head:
        start = after + head.index("when") + 1
        close = close_of(stmt.tokens, start)
        when = stmt.code.text[stmt.tokens[start].end : stmt.tokens[close].start].strip()
    catalog.triggers[(relation, name)] = Trigger(
        name=name,
        relation=relation,
        function=function,
        events=events,
        columns=columns,
        timing=timing,  # type: ignore[arg-type]
        level="row" if "row" in head else "statement",
        span=stmt.code.span(0, len(stmt.code.text)),
        when=when,
        constraint="constraint" in words[:4],
        deferred="deferred" in head,
        deferrable="deferred" in head or ("deferrable" in head and head[head.index("deferrable") - 1] != "not"),
        origin=origin,
    )


def _events(words: list[str], first: int, last: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    events = tuple(w for w in words[first:last] if w in ("insert", "update", "delete", "truncate"))
    if "of" not in words[first:last]:
        return events, ()
    listed = words[words.index("of", first) :]
    if words[first] == "instead":
        listed = listed[listed.index("of", 1) :] if "of" in listed[1:] else []
    columns: list[str] = []
    for word in listed[1:]:
        if word in ("or", "on"):
            break
        if word != ",":
            columns.append(word)
    return events, tuple(columns)
