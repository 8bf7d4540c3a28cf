"""The whole analysis: texts in, facts, states and verdicts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tollway.audit.config import Config
from tollway.audit.facts.catalog import Body, Catalog
from tollway.audit.facts.ddl import apply
from tollway.audit.facts.standing import standing
from tollway.audit.facts.states import State, classify, configured, infer
from tollway.audit.facts.switches import Switch, Switched
from tollway.audit.facts.unused import unused
from tollway.audit.facts.walk import Walker
from tollway.audit.load.code import Source
from tollway.audit.load.files import load
from tollway.audit.load.split import Statement, clean, statements
from tollway.audit.load.tokens import scan
from tollway.audit.load.unclosed import unclosed
from tollway.audit.model import TOP_LEVEL, Call, Facts, Finding, Idle, Suppression, Unknown, Verdict, Write
from tollway.audit.parse.check import complaint
from tollway.audit.prove.assume import assume

_DDL = frozenset({"create", "drop", "alter", "do", "set", "grant", "revoke", "comment", "begin", "commit", "reset", "analyze"})
_ROUNDS = 1000


@dataclass(slots=True)
class Analysis:
    """Everything known about a project."""

    config: Config
    facts: Facts
    catalog: Catalog
    states: list[State]
    inferred: bool
    bodies: dict[str, Body] = field(default_factory=dict)
    """By id; of overloads with as many arguments, one."""
    overloads: list[Body] = field(default_factory=list)
    """Every body."""
    verdicts: list[Verdict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    guessed: bool = False
    """The required effects were inferred, as no configuration names any."""
    texts: list[Source] = field(default_factory=list)
    """The SQL that was read, for the suppressions in its comments."""
    python: tuple[str, ...] = ()
    """The files and folders of Python that were read."""
    silenced: list[tuple[Finding, Suppression]] = field(default_factory=list)
    idle: list[Idle] = field(default_factory=list)
    """Suppressions that are unused, expired or wrong."""


def read(config: Config, paths: Sequence[str], python: Sequence[str] = ()) -> Analysis:
    """Read SQL and Python into facts, with each write's bearing on the states."""
    loaded = load(paths, config.exclude)
    analysis = read_sources(config, loaded.sources, python)
    analysis.facts.unknowns[:0] = loaded.unknowns
    return analysis


def read_sources(config: Config, sources: Sequence[Source], python: Sequence[str] = ()) -> Analysis:
    """`read`, of texts that are at hand."""
    catalog = Catalog(placeholders=dict(config.placeholders))
    walker = Walker(catalog, Facts(), config.schedulers, tuple(need.target for need in config.require if need.kind == "call"))
    loose = _apply_all(sources, catalog)
    known = dict(catalog.bodies)
    for body in known.values():
        walker.body(body)
    _walk_loose(walker, loose)
    catalog.search_path = ""
    for _ in range(_ROUNDS):
        if not walker.queue:
            break
        body = walker.queue.pop()
        known.setdefault(body.routine.id, body)
        walker.body(body)
    walker.settle()
    facts = walker.facts
    facts.routines += [body.routine for body in known.values()]
    facts.unknowns[:0] = catalog.unknowns
    facts.triggers += catalog.triggers.values()
    facts.fk_actions += catalog.fk_actions
    _trigger_calls(catalog, facts)
    if python:
        facts.add(_python(python, catalog))
    assume(config.assume, list(known.values()), facts)
    states = configured(config.state) if config.state else infer(catalog, facts.writes)
    facts.writes[:] = _one_each(facts.writes)
    facts.writes[:] = [classify(write, states, catalog) for write in facts.writes]
    facts.unknowns += unused(config, states, catalog, facts.writes)
    bodies = {body.routine.id: body for body in known.values()}
    return Analysis(
        config,
        facts,
        catalog,
        states,
        not config.state,
        bodies,
        list(known.values()),
        files=len(sources),
        texts=list(sources),
        python=tuple(python),
    )


def _walk_loose(walker: Walker, loose: Sequence[tuple[Statement, str, tuple[Switch, ...]]]) -> None:
    """What the statements of the scripts do, and what was off where they stand."""
    catalog = walker.catalog
    for stmt, catalog.search_path, off in loose:
        if stmt.word(0) == "create":
            walker.standing(stmt)
            continue
        writes, calls = len(walker.facts.writes), len(walker.raw_calls)
        walker.statement(stmt, {}, (), None)
        if off:
            catalog.off |= {write.span: off for write in walker.facts.writes[writes:]}
            catalog.off |= {raw.span: off for raw, *_ in walker.raw_calls[calls:]}


def _apply_all(sources: Sequence[Source], catalog: Catalog) -> list[tuple[Statement, str, tuple[Switch, ...]]]:
    """Bring the catalog to its final version; the statements that are no DDL are left over, with their search_path and what is off."""
    loose: list[tuple[Statement, str, tuple[Switch, ...]]] = []
    for source in sources:
        catalog.search_path = ""
        session = Switched()
        lost, whole = _looked_over(source)
        if lost:
            catalog.unknowns.append(lost)
        for stmt in statements(source, catalog.placeholders):
            body = apply(stmt, catalog, TOP_LEVEL)
            off = _off(stmt, session, catalog)
            if body is not None and off and stmt.word(0) == "do":
                catalog.off[body.routine.span] = off
            if whole and (why := complaint(stmt)):
                catalog.unknowns.append(Unknown("unparsed", TOP_LEVEL, stmt.code.span(0), f"this statement does not parse: {why}"))
            made = stmt.word(0) in ("create", "alter") and standing(stmt) is not None
            if stmt.word(0) not in _DDL or made or (stmt.word(0) == "drop" and stmt.word(1) == "table"):
                loose.append((stmt, catalog.search_path, off))
    catalog.search_path = ""
    return loose


def _off(stmt: Statement, session: Switched, catalog: Catalog) -> tuple[Switch, ...]:
    """What is switched off at this place of a script: by the session, and by the catalog as it is now."""
    head = stmt.word(0)
    if head in ("set", "reset", "select"):
        session.read(stmt.code.text)
    elif head in ("commit", "end", "rollback"):  # what SET LOCAL and SET CONSTRAINTS did is over; and nobody is caught who said it is
        session.left = [s for s in session.left if not s.timing]
    disabled = (Switch(table=t.relation, trigger=t.name) for t in catalog.triggers.values() if t.enabled in ("D", "R"))
    return (*session.left, *disabled)


def _looked_over(source: Source) -> tuple[Unknown | None, bool]:
    """What its end loses, and whether its statements stand as the server is sent them: a placeholder may stand for anything."""
    if source.file.partition("#")[0].endswith(".py"):
        return None, False  # a constant of a module may be half of a text
    text = clean(source.text)
    tokens = scan(text)
    lost = unclosed(source, text, tokens)
    return lost, lost is None and not any(token.kind == "hole" for token in tokens)


def _one_each(writes: Sequence[Write]) -> list[Write]:
    """One write for a statement and relation: its alternatives, which a computed text or a second round of a loop gives, are joined."""
    found: dict[tuple[str, str], Write] = {}
    for write in writes:
        key = (write.routine, write.key)
        known = found.get(key)
        found[key] = write if known is None else _joined(known, write)
    return list(found.values())


def _joined(a: Write, b: Write) -> Write:
    return replace(
        a,
        columns=tuple(dict.fromkeys(a.columns + b.columns)),
        values=tuple(dict.fromkeys(a.values + b.values)),
        events=tuple(dict.fromkeys(a.events + b.events)),
        upsert=a.upsert or b.upsert,
        returned=a.returned and b.returned,
        keyed=a.keyed and b.keyed,
        partial=a.partial or b.partial,
        held=a.held if a.held == b.held else (),
        inserted=tuple(c for c in a.inserted if c in b.inserted),
    )


def _trigger_calls(catalog: Catalog, facts: Facts) -> None:
    for trigger in catalog.triggers.values():
        for body in catalog.named(trigger.function):
            facts.calls.append(Call(trigger.relation, body.routine.id, trigger.span, "trigger"))


def _python(packages: Sequence[str], catalog: Catalog) -> Facts:
    """What the Python of the project does. The reader of Python is a package of its own."""
    from tollway.audit import python

    names = [body.routine for body in catalog.bodies.values()]
    found: Facts = python.scan([Path(p) for p in packages], names)
    return found
