"""Walking a body in the order of its execution, with the texts that its variables can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tollway.audit.facts.binding import assign, assigned, bind_loop, executed_into, filled, forget, into, merge, unknown
from tollway.audit.facts.catalog import Body, Catalog
from tollway.audit.facts.ddl import apply
from tollway.audit.facts.dml import read_writes
from tollway.audit.facts.returned import returned
from tollway.audit.facts.standing import standing, still_there, views_asked
from tollway.audit.facts.statements import RawCall, calls_of, idle_spans, notifications, resolve, within, writes_of
from tollway.audit.load.code import Code
from tollway.audit.load.split import Statement, split
from tollway.audit.model import TOP_LEVEL, Call, CallKind, Facts, Routine, Span, Unknown
from tollway.audit.parse.check import statements_begun, writes_counted
from tollway.audit.parse.names import HOLE, commas, same_relation, short
from tollway.audit.parse.plpgsql import Node, sub
from tollway.audit.resolve.evaluate import Argument, Env, Evaluator, Value, using_at

_DEPTH = 4
_TEXTUAL = frozenset(
    {"select", "insert", "update", "delete", "call", "with", "merge", "truncate", "do", "alter", "drop", "perform", "vacuum"}
)
_SEEN_HEADS = frozenset({"create", "alter", "drop", "do"})


@dataclass(slots=True)
class Walker:
    """Fills `facts` from bodies. Calls wait in `raw_calls` until every routine is known."""

    catalog: Catalog
    facts: Facts
    schedulers: frozenset[str]
    required: tuple[str, ...] = ()
    """Functions whose call is a required effect; they need not be among the texts."""
    queue: list[Body] = field(default_factory=list)
    raw_calls: list[tuple[RawCall, str, CallKind, tuple[str, ...], Node | None, Env]] = field(default_factory=list)
    executors: dict[str, int] = field(default_factory=dict)
    """Routines that execute one of their parameters, and which."""
    asked: list[tuple[str, str, Span]] = field(default_factory=list)
    """(routine or view, view, where): who asks which view."""
    seen: set[tuple[object, ...]] = field(default_factory=set)
    routine: Routine | None = None
    owner: str = TOP_LEVEL
    params: tuple[str, ...] = ()
    inlining: int = 0

    def body(self, body: Body) -> None:
        """Walk one routine."""
        self.routine, self.owner, self.params = body.routine, body.routine.id, body.params
        if body.statement is not None:
            for raw in calls_of(body.statement):
                self._note(raw, "default", (), None, {})
        if body.tree is not None:
            start = {p: [unknown(body.code)] for p in body.params if p} if body.code else {}
            self.node(body.tree, start, ())
        self.routine, self.owner, self.params = None, TOP_LEVEL, ()

    def nodes(self, nodes: Iterable[Node], env: Env, guards: tuple[str, ...]) -> Env:
        for node in nodes:
            env = self.node(node, env, guards)
        return env

    def node(self, node: Node, env: Env, guards: tuple[str, ...]) -> Env:
        """What a statement does, and the variables after it."""
        step: Callable[[Node, Env, tuple[str, ...]], Env] | None = getattr(self, f"_{node.kind}", None)
        if step is not None:
            return step(node, env, guards)
        if node.code is not None:
            self.statement(node.code, env, guards, node, control=True)
        return env

    def _block(self, node: Node, env: Env, guards: tuple[str, ...]) -> Env:
        env = dict(env)
        for name, code in node.declared:
            forget(env, name, node.code.code if node.code else code.code) if code else env.update({name: []})  # unset, it is NULL
            if code is not None:
                self.statement(code, env, guards, node, control=True)
                assign(env, name, code, self.inline)
        after = self.nodes(node.branches[0], env, guards)
        outs = [self.nodes(handler, merge([env, after]), (*guards, "exception")) for handler in node.handlers]
        return merge([after, *outs])

    def _if(self, node: Node, env: Env, guards: tuple[str, ...]) -> Env:
        if node.code is not None:
            self.statement(node.code, env, guards, node, control=True)
        outs = [] if node.exhaustive and node.conds[-1:] == [None] else [env]
        for cond, branch in zip(node.conds, node.branches, strict=True):
            if cond is not None:
                self.statement(cond, env, guards, node, control=True)
            label = " ".join(cond.code.text.split()) if cond else "else"
            outs.append(self.nodes(branch, dict(env), (*guards, label)))
        return merge(outs)

    _case = _if

    def _loop(self, node: Node, env: Env, guards: tuple[str, ...]) -> Env:
        env = dict(env)
        label = f"{node.word} loop"
        for cond in node.conds:
            if cond is not None:
                self.statement(cond, env, guards, node, control=True)
        if node.code is not None:
            if node.code.word(0) == "execute":
                self._run(sub(node.code, 1, len(node.code.tokens)), env, guards, node)
            else:
                self.statement(node.code, env, guards, node, control=True)
            bind_loop(env, node, self.inline)
        once = self.nodes(node.branches[0], dict(env), (*guards, label))
        if not assigned(node.branches[0]):
            return merge([env, once])
        again = self.nodes(node.branches[0], dict(once), (*guards, label))  # with what the first round left; a third adds nothing new
        return merge([env, once, again])

    def _assign(self, node: Node, env: Env, guards: tuple[str, ...]) -> Env:
        assert node.code is not None
        self.statement(node.code, env, guards, node, control=True)
        for cond in node.conds:  # the subscripts of the target
            if cond is not None:
                self.statement(cond, env, guards, node, control=True)
        env = dict(env)
        if node.conds:
            forget(env, node.target, node.code.code)
        else:
            assign(env, node.target, node.code, self.inline)
        return env

    def _other(self, node: Node, env: Env, guards: tuple[str, ...]) -> Env:
        if node.code is not None:
            self.statement(node.code, env, guards, node, control=True)
        return self._filled(node, env)

    def _filled(self, node: Node, env: Env) -> Env:
        env = dict(env)
        for name in filled(node):
            assert node.code is not None
            forget(env, name, node.code.code)
        return env

    def _execute(self, node: Node, env: Env, guards: tuple[str, ...]) -> Env:
        assert node.code is not None
        self._run(node.code, env, guards, node)
        return executed_into(node.code, env)

    def _return(self, node: Node, env: Env, guards: tuple[str, ...]) -> Env:
        if node.code is not None and node.word == "execute":
            self._run(node.code, env, guards, node)
        elif node.code is not None:
            self.statement(node.code, env, guards, node, control=node.word != "query")
        return env

    def _sql(self, node: Node, env: Env, guards: tuple[str, ...]) -> Env:
        assert node.code is not None
        if node.code.word(0) == "execute":  # in a SQL body: a prepared statement
            return env
        self.statement(node.code, env, guards, node)
        return self._filled(node, into(node.code, env, self.inline))

    def inline(self, name: str, args: list[Argument]) -> Value | None:
        """What a function of the schema returns for these arguments, when it makes a text and one function can be meant."""
        found = [b for b in self.catalog.named(name) if b.routine.min_args <= len(args) <= len(b.routine.args)]
        if len(found) != 1 or self.inlining >= _DEPTH:
            return None
        self.inlining += 1
        try:
            return returned(found[0], args, self.inline)
        finally:
            self.inlining -= 1

    def _run(self, code: Statement, env: Env, guards: tuple[str, ...], node: Node | None) -> None:
        """An EXECUTE: every text that it can run."""
        self.statement(code, env, guards, node, control=True)
        end = using_at(code)
        given = code.code.text[code.tokens[0].start : code.tokens[0].end] if end == 1 else ""
        by_number = {f"${k}": k - 1 for k in range(1, len(self.params) + 1)}
        if given.lower() in self.params or given in by_number:
            self.executors[self.owner] = self.params.index(given.lower()) if given.lower() in self.params else by_number[given]
        for text in Evaluator(code, env, self.inline).value(0, end) or [unknown(code.code)]:
            if not text.text.strip():
                continue
            if text.text.strip().startswith(HOLE):
                told = Unknown("dynamic", self.owner, code.code.span(0), " ".join(code.code.text.split())[:120])
                if self._fresh(told):
                    self.facts.unknowns.append(told)
                continue
            self.script(text, guards, node, "dynamic", self._using(code, end, env))

    def _using(self, code: Statement, end: int, env: Env) -> Env:
        """What `$1`, `$2` hold in the text: the values of USING."""
        start = next((i for i in range(end, len(code.tokens)) if code.word(i) == "using"), len(code.tokens))
        stop = next((i for i in range(start, len(code.tokens)) if code.word(i) == "into"), len(code.tokens))
        given = commas(code.tokens, start + 1, stop)
        return {f"${k}": Evaluator(code, env, self.inline).value(a, b) for k, (a, b) in enumerate(given, 1)}

    def script(self, text: Code, guards: tuple[str, ...], node: Node | None, kind: CallKind, env: Env | None = None) -> None:
        """Statements that a string carries; `env` is what its parameters hold."""
        for stmt in split(text):
            body = apply(stmt, self.catalog, self.owner) if stmt.word(0) in _SEEN_HEADS else None
            if body is not None:
                self.queue.append(body)
                if stmt.word(0) == "do":
                    self._note(RawCall(body.routine.name, 0, [], stmt), kind, guards, node, {})
                continue
            self.statement(stmt, env or {}, guards, node, kind=kind)

    def statement(
        self, stmt: Statement, env: Env, guards: tuple[str, ...], node: Node | None, *, control: bool = False, kind: CallKind = "direct"
    ) -> None:
        """Everything one statement or expression does by itself."""
        if not stmt.tokens:
            return
        if not control and kind == "direct" and stmt.word(0) in _SEEN_HEADS and self.owner != TOP_LEVEL:
            body = apply(stmt, self.catalog, self.owner)
            if body is not None:
                self.queue.append(body)
                return
        self._count(stmt)
        for write in writes_of(stmt, self.routine, self.catalog, self.owner, guards, env):
            if self._fresh(write.key, self.owner, write.columns, write.values):
                self.facts.writes.append(write)
                _attach(node, write)
        self._effects(stmt, guards, node, kind, env)

    def _effects(self, stmt: Statement, guards: tuple[str, ...], node: Node | None, kind: CallKind, env: Env) -> None:
        """Notifications and calls."""
        idle = idle_spans(stmt)  # what stands there is told, and proves nothing
        for effect in notifications(stmt, self.owner, guards):
            if not self._fresh(effect):
                continue
            self.facts.effects.append(effect)
            _attach(None if within(effect.span, idle) else node, effect)
        if stmt.word(0) in ("create", "alter"):
            self.standing(stmt)
            return
        self._views(stmt, self.owner)
        for raw in calls_of(stmt):
            self._note(raw, kind, guards, None if within(raw.span, idle) else node, env)
            if raw.name in self.schedulers or short(raw.name) in self.schedulers:
                self._scheduled(raw, env, guards)

    def _count(self, stmt: Statement) -> None:
        """Hold our reading against Postgres's own parser; a difference is never kept silent."""
        counted = writes_counted(stmt)
        if counted is None:  # PL/pgSQL's INTO, or a text that is known in part: then the words must do
            counted = statements_begun(stmt)
        own = sum(1 for w in read_writes(stmt) if w.verb in ("insert", "update", "delete", "merge"))
        if counted != own:
            told = f"Postgres sees {counted} writes and the reader {own}: {' '.join(stmt.code.text.split())[:100]}"
            unclear = Unknown("accounting", self.owner, stmt.code.span(0), told)
            if self._fresh(unclear):
                self.facts.unknowns.append(unclear)

    def _fresh(self, *key: object) -> bool:
        """Whether this is told for the first time: a loop's body is walked twice."""
        new = key not in self.seen
        self.seen.add(key)
        return new

    def standing(self, stmt: Statement) -> None:
        """The calls that a definition makes, whoever uses it: a table's DEFAULTs and CHECKs, an index, a view, a policy."""
        found = standing(stmt)
        if found is None:
            return
        name, kind = self.catalog.qualify(found[0]), found[1]
        name = self.catalog.renamed.get(name, name)
        if not still_there(stmt, name, kind, self.catalog):
            return
        for raw in calls_of(stmt):
            if raw.name not in (name, found[0]):
                self.raw_calls.append((raw, name, kind, (), None, {}))
        if kind == "view":
            self._views(stmt, name)

    def _views(self, stmt: Statement, owner: str) -> None:
        """Which views a statement asks."""
        self.asked += [(owner, view, span) for view, span in views_asked(stmt, self.catalog) if view != owner]

    def _note(self, raw: RawCall, kind: CallKind, guards: tuple[str, ...], node: Node | None, env: Env) -> None:
        self.raw_calls.append((raw, self.owner, kind, guards, node, env))

    def _scheduled(self, raw: RawCall, env: Env, guards: tuple[str, ...]) -> None:
        for a, b in raw.args[::-1]:
            texts = [t for t in Evaluator(raw.stmt, env, self.inline).value(a, b) if t.text.split("(")[0].split()[:1]]
            sql = [t for t in texts if t.text.split()[0].lower() in _TEXTUAL]
            for text in sql:
                self.script(text, (*guards, "scheduled"), None, "cron")
            if sql:
                return

    def settle(self) -> None:
        """Resolve the calls, now that every routine is known, and give executors' arguments their due."""
        done = 0
        while done < len(self.raw_calls):
            raw, owner, kind, guards, node, env = self.raw_calls[done]
            done += 1
            calls = list(resolve(raw, self.catalog, owner, kind, guards))
            if not calls and any(same_relation(name, raw.name) for name in self.required):
                calls = [Call(owner, raw.name, raw.span, kind, guards)]
            for call in calls:
                if self._fresh(call.source, call.target, call.kind, None if call.kind == "view" else call.span):  # one tells it all
                    self.facts.calls.append(call)
                    _attach(node, call)
                at = self.executors.get(call.target)
                if at is not None and at < len(raw.args) and owner != call.target:
                    self._through(raw, owner, at, guards, node, env)

        self._ask()

    def _ask(self) -> None:
        """Who asks a view calls what the view calls. A view that calls nothing of the schema is no way to anything."""
        calling = {call.source for call in self.facts.calls if call.kind == "view"}
        waiting = self.asked
        while ready := [ask for ask in waiting if ask[1] in calling]:
            waiting = [ask for ask in waiting if ask[1] not in calling]
            for owner, view, span in ready:
                if self._fresh(owner, view, "view"):
                    self.facts.calls.append(Call(owner, view, span, "view"))
            calling |= {owner for owner, _, _ in ready}

    def _through(self, raw: RawCall, owner: str, at: int, guards: tuple[str, ...], node: Node | None, env: Env) -> None:
        """The text handed to a routine that executes it."""
        self.owner = owner
        for text in Evaluator(raw.stmt, env, self.inline).value(*raw.args[at]):
            if not text.text.strip().startswith(HOLE):
                self.script(text, guards, node, "dynamic")
        self.owner = TOP_LEVEL


def _attach(node: Node | None, fact: object) -> None:
    if node is not None:
        node.facts.append(fact)  # type: ignore[arg-type]
