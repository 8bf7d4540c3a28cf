"""The verdict ladder for one write and one required effect."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from tollway.audit.analysis import Analysis
from tollway.audit.config import Requirement
from tollway.audit.facts.catalog import Body
from tollway.audit.facts.states import heirs
from tollway.audit.facts.switches import Switch
from tollway.audit.facts.tables import partitioned
from tollway.audit.model import Call, Effect, Span, Status, Trigger, Verdict, Write
from tollway.audit.parse.names import covers, may_be, same_relation, short
from tollway.audit.prove.around import Around, Rung, rung
from tollway.audit.prove.conditions import Change, holds, read, rename_state
from tollway.audit.prove.stops import stops
from tollway.audit.prove.switches import switches
from tollway.audit.prove.tree import NONE, Fact, Level, Reach, Reader, weakest

_ROUNDS = 8
_VERBS = {
    "insert": ("insert", "copy", "merge"),
    "update": ("update", "insert", "merge", "copy"),
    "write": ("insert", "update", "delete", "merge", "copy"),
}


class Prover:
    """Proves one requirement over a whole analysis."""

    def __init__(self, analysis: Analysis, need: Requirement) -> None:
        self.analysis, self.need = analysis, need
        self.summary: dict[str, Reach] = {}
        self.arounds: dict[str, list[Around]] = {}
        self.callers: dict[str, list[Call]] = defaultdict(list)
        self.callees: dict[str, list[Call]] = defaultdict(list)
        for call in analysis.facts.calls:
            self.callers[call.target].append(call)
            self.callees[call.source].append(call)
        self.python = {r.id for r in analysis.facts.routines if r.language == "python"}
        self.python_facts: dict[str, list[Write | Effect]] = defaultdict(list)
        made: list[Write | Effect] = [*analysis.facts.writes, *analysis.facts.effects]
        for fact in made:
            if fact.routine in self.python:
                self.python_facts[fact.routine].append(fact)
        self.bodies: dict[str, list[Body]] = defaultdict(list)
        for body in analysis.overloads:
            self.bodies[body.routine.id].append(body)
        self.switches = switches(analysis.overloads, analysis.facts.calls)
        self.stops = stops(analysis.catalog, need)
        self._summarise()

    def _summarise(self) -> None:
        """What each routine does on every path, to a fixpoint: calls only ever add."""
        reader = Reader(self.judge)
        for _ in range(_ROUNDS):
            before = dict(self.summary)
            for name, overloads in self.bodies.items():
                reaches = [reader.node(body.tree) for body in overloads if body.tree is not None]
                if reaches:  # which of two overloads with as many arguments is called, the id does not say
                    self.summary[name] = weakest(reaches)
            if {k: v.level for k, v in before.items()} == {k: v.level for k, v in self.summary.items()}:
                return

    def satisfies(self, fact: Write | Effect) -> bool:
        """Is this the effect that is asked for?"""
        need = self.need
        if isinstance(fact, Effect):
            return need.kind == fact.kind and (need.target == "*" or covers(need.target, fact.target))
        if need.kind not in _VERBS or fact.verb not in _VERBS[need.kind]:
            return False
        if same_relation(need.target, fact.relation):
            return True
        relation, _, column = need.target.rpartition(".")
        if need.kind != "update" or not relation or not same_relation(relation, fact.relation):
            return False
        return fact.verb != "update" or column in fact.columns or "*" in fact.columns

    def judge(self, fact: Fact) -> Reach:
        """What one fact contributes: itself, or what its callee does."""
        if isinstance(fact, Call):
            if self.need.kind == "call" and same_relation(self.need.target, fact.target.split("/")[0]):
                return Reach(Level.ALWAYS, (fact.span,))
            inner = self.summary.get(fact.target, NONE)
            level = Level.SOME if inner.level is not Level.NONE and fact.kind == "cron" else inner.level
            if level is Level.NONE:
                return NONE
            return Reach(level, (fact.span, *inner.proof) if inner.proof else (), through=True)  # without proof: it only raises
        if not self.satisfies(fact):
            return NONE
        lost = isinstance(fact, Write) and (fact.partial or any(event in self.stops for event in _events(fact)))
        return Reach(Level.SOME if lost else Level.ALWAYS, (fact.span,))

    def verdict(self, write: Write) -> Verdict:
        """The best rung that holds."""
        found = [*self._triggers(write), *self._body(write), *self._python(write)]
        status, proof, reason = min(found, key=_place, default=("missing", (), ""))
        return Verdict(write, self.need.effect, status, (write.span, *proof), reason)

    # triggers

    def _triggers(self, write: Write) -> Iterator[Rung]:
        """The worst of the tables whose rows it changes."""
        if write.verb in ("drop", "detach"):
            return
        worst = self._on_rows(write, write.relation)
        # an INSERT, and the UPDATE that ON CONFLICT makes of it, stays in its own table
        reached = not write.only and not write.upsert and set(_events(write)) - {"insert"}
        for heir in heirs(write.relation, self.analysis.catalog) if worst is not None and reached else ():
            bare: Rung = ("conditional", worst[1] if worst else (), f"{heir} inherits the table, but not its triggers")
            worst = max(worst or bare, self._on_rows(replace(write, relation=heir), write.relation) or bare, key=_place)
        if worst is not None:
            yield worst

    def _on_rows(self, write: Write, named: str) -> Rung | None:
        """The worst of the write's events, each with the best trigger for it; the statement names `named`."""
        mine = [t for t in self.analysis.facts.triggers if self._on(t, write, named)]
        off = self._off(write)
        bests: list[Rung] = []
        bare: list[str] = []
        for change in _changes(write):
            found = [f for f in (self._fires(t, write, change, off) for t in mine) if f is not None]
            if found:
                bests.append(min(found, key=_place))
            else:
                bare.append(change.event)
        if not bests:
            return None
        worst = max(bests, key=_place)
        return ("conditional", worst[1], f"no trigger for its {' and '.join(bare)}") if bare and worst[0] != "disabled" else worst

    def _off(self, write: Write) -> list[tuple[str, Switch]]:
        """What is switched when this write runs, and who does it: its routine, one on a way to it, or the script around it."""
        off = self.analysis.catalog.off
        found = [("the script", s) for s in off.get(write.span, ())]
        if not self.switches and not off:
            return found
        seen, ways = {write.routine}, [write.routine]
        for name in ways:
            found += [(name, s) for s in self.switches.get(name, ())]
            body = self.analysis.bodies.get(name)
            found += [("the script", s) for s in off.get(body.routine.span, ())] if body and off else []
            for call in self.callers.get(name, ()):
                found += [("the script", s) for s in off.get(call.span, ())]
                if call.source not in seen:
                    seen.add(call.source)
                    ways.append(call.source)
        return found

    def _on(self, trigger: Trigger, write: Write, named: str) -> bool:
        """Postgres fires the statement triggers of the table that is named, and those of TRUNCATE for every table that it empties."""
        catalog = self.analysis.catalog
        names = [named if trigger.level == "statement" and write.verb != "truncate" else write.relation]
        table = catalog.table(names[0])
        if table is not None and (trigger.level == "row" or table.view):
            names = partitioned(names[0], catalog)
        return any(same_relation(trigger.relation, n) or ("*" in trigger.relation and may_be(trigger.relation, n)) for n in names)

    def _fires(self, trigger: Trigger, write: Write, change: Change, off: list[tuple[str, Switch]]) -> Rung | None:
        if change.event not in trigger.events:
            return None
        body = next(iter(self.analysis.catalog.named(trigger.function)), None)
        if body is None or body.tree is None:
            return None
        reach = Reader(self.judge, change).node(body.tree)
        if reach.level is Level.NONE:
            return None
        proof = (trigger.span, *reach.proof)
        missed = [c for c in write.state_columns if c not in trigger.columns]
        if change.event == "update" and trigger.columns and not set(trigger.columns) & set(write.columns):
            return (
                ("conditional", proof, f"the trigger listens to other columns than {', '.join(missed)}") if "*" in write.columns else None
            )
        truth = holds(read(rename_state(trigger.when, change.columns)), change) if trigger.when else True
        if truth is False:
            return None
        silent = self._silent(trigger, write, off)
        if silent:
            return silent[0], proof, silent[1]
        if truth is None:
            return "conditional", proof, f"when ({trigger.when})"
        if reach.level is not Level.ALWAYS:
            why = "an exception handler may swallow it" if reach.level is Level.SWALLOWED else "on some paths of the trigger function"
            return "conditional", proof, next(iter(self.stops.values()), why)
        moved = next(((who, s) for who, s in off if s.moves(trigger)), None)
        if moved:
            return "guarded", proof, f"{moved[0]} sets {trigger.name} {moved[1].timing}: it sees another moment than it was declared for"
        return "guaranteed", proof, f"trigger {trigger.name}"

    def _silent(self, trigger: Trigger, write: Write, off: list[tuple[str, Switch]]) -> tuple[Status, str] | None:
        """Whether the trigger is switched off for this write, and by what."""
        if trigger.enabled in ("D", "R"):
            return "disabled", f"trigger {trigger.name} is {'disabled' if trigger.enabled == 'D' else 'enabled for replicas only'}"
        who = next((who for who, switch in off if switch.covers(trigger)), None)
        if who:
            return "disabled", f"{who} switches triggers off"
        catalog = self.analysis.catalog
        above = partitioned(write.relation, catalog)
        for (partition, name), enabled in catalog.partition_switches.items():
            if name != trigger.name or enabled not in ("D", "R"):
                continue
            if any(same_relation(partition, n) for n in above):
                return "disabled", f"trigger {name} is switched off for {partition}"
            if any(same_relation(write.relation, n) for n in partitioned(partition, catalog)[1:]):
                return "conditional", f"trigger {name} is switched off for {partition}"
        return None

    # the body

    def _body(self, write: Write) -> Iterator[Rung]:
        around = next((a for a in self._around(write.routine) if write.key in a.ways), None)
        here = around.node(write.key) if around else None
        if around is None or here is None:
            return
        for fact in here.facts:
            if isinstance(fact, Write) and fact.key == write.key:
                continue
            reach = self.judge(fact)
            if reach.level is Level.ALWAYS:
                yield ("callee" if reach.through else "same statement"), reach.proof, ""
        if here.kind == "loop":
            inside = around.reader.nodes(here.branches[0])
            if inside.proof:
                yield rung(inside, here, set())
        yield from around.rungs(write)
        yield from self._caller(write)

    def _around(self, routine: str) -> list[Around]:
        """The bodies of a routine, each with what its statements contribute."""
        if routine not in self.arounds:
            self.arounds[routine] = [Around(b.tree, Reader(self.judge)) for b in self.bodies.get(routine, ()) if b.tree is not None]
        return self.arounds[routine]

    def _caller(self, write: Write) -> Iterator[Rung]:
        """An SQL caller that adds the effect helps only those who go through it."""
        for call in self.callers.get(write.routine, ()):
            if call.kind not in ("direct", "dynamic") or call.source == write.routine:
                continue
            if self.summary.get(call.source, NONE).level is Level.ALWAYS:
                proof = self.summary[call.source].proof
                yield "conditional", (call.span, *proof), f"only when called by {short(call.source)}"

    # Python

    def _python(self, write: Write) -> Iterator[Rung]:
        starts = [(write.routine, write.span)] if write.routine in self.python else []
        starts += [(c.source, c.span) for c in self._entries(write.routine) if c.source in self.python]
        for routine, span in starts:
            proof = self._does(routine, frozenset(), skip=write.key)
            if proof:
                yield "python only", (span, *proof), f"only when {routine} makes the change"

    def _entries(self, routine: str) -> list[Call]:
        """The calls of a routine from Python."""
        return [c for c in self.callers.get(routine, ()) if c.source in self.python]

    def _does(self, routine: str, seen: frozenset[str], skip: str = "") -> tuple[Span, ...]:
        """The way by which a Python function reaches the effect in Python itself."""
        for fact in self.python_facts.get(routine, ()):
            if not (isinstance(fact, Write) and fact.key == skip) and self.satisfies(fact):
                return (fact.span,)
        for call in self.callees.get(routine, ()):
            reach = self.judge(call) if call.target not in self.python else NONE
            if reach.proof and not self._makes(call.target, skip):
                return reach.proof
            if call.target in self.python and call.target not in seen:
                inner = self._does(call.target, seen | {routine}, skip)
                if inner:
                    return (call.span, *inner)
        return ()

    def _makes(self, routine: str, key: str) -> bool:
        """Does the routine make this very write? Then its effect is no other one's."""
        return any(w.key == key and w.routine == routine for w in self.analysis.facts.writes)


_ORDER: tuple[Status, ...] = (
    *("guaranteed", "same statement", "same block", "callee", "guarded", "conditional", "disabled", "python only"),
    *("unknown", "missing"),
)


def _place(found: Rung) -> int:
    """The rung, best first."""
    return _ORDER.index(found[0])


def _events(write: Write) -> tuple[str, ...]:
    """The events that a write can raise: an upsert raises two."""
    if write.verb == "merge":
        return write.events
    if write.upsert:
        return ("insert", "update")
    return {"copy": ("insert",), "drop": (), "detach": ()}.get(write.verb, (write.verb,))


def _changes(write: Write) -> list[Change]:
    """The change as each event sees it."""
    values = [v for c, v in write.values if c in write.state_columns]
    known = frozenset(values) if values and not {"?", "default"} & set(values) else frozenset()
    if write.verb == "insert" and not values:
        known = frozenset(write.state_values)
    others = {c: frozenset(v for name, v in write.values if name == c) for c, _ in write.values if c not in write.state_columns}
    given = tuple((c, values) for c, values in others.items() if not {"?", "default", "null"} & values)
    if write.upsert or write.verb == "merge":  # what one of its events sets, the other may not
        given = ()
    return [Change(event, write.state_columns, known, write.columns, given) for event in _events(write)]


def prove(analysis: Analysis) -> list[Verdict]:
    """Every verdict, in order of the writes."""
    found: list[Verdict] = []
    for need in analysis.config.require:
        prover = Prover(analysis, need)
        for write in analysis.facts.writes:
            if write.effect == "other" or (need.tables and not any(same_relation(t, write.relation) for t in need.tables)):
                continue
            if need.verbs and write.verb not in need.verbs:
                continue
            if need.states and write.state_values and not {"?", *need.states} & set(write.state_values):
                continue
            found.append(prover.verdict(write))
    return found
