"""Walking a body in the order of its execution, with the texts that its variables can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tollway.audit.facts.binding import assigned, bind_row, elements, filled, forget, merge, unknown
from tollway.audit.facts.catalog import Body, Catalog
from tollway.audit.facts.ddl import apply
from tollway.audit.facts.dml import read_writes
from tollway.audit.facts.statements import RawCall, calls_of, idle_spans, notifications, resolve, within, writes_of
from tollway.audit.load.code import Code
from tollway.audit.load.split import Statement, split
from tollway.audit.model import TOP_LEVEL, CallKind, Facts, Routine, Unknown
from tollway.audit.parse.check import statements_begun, writes_counted
from tollway.audit.parse.names import HOLE, commas, name_at, short
from tollway.audit.parse.plpgsql import Node, sub
from tollway.audit.resolve.evaluate import Env, Evaluator, Value, using_at

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
    queue: list[Body] = field(default_factory=list)
    raw_calls: list[tuple[RawCall, str, CallKind, tuple[str, ...], Node | None, Env]] = field(default_factory=list)
    executors: dict[str, int] = field(default_factory=dict)
    """Routines that execute one of their parameters, and which."""
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
                self._set(env, name, code)
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
            self._loop_variable(node, env)
        once = self.nodes(node.branches[0], dict(env), (*guards, label))
        if not assigned(node.branches[0]):
            return merge([env, once])
        again = self.nodes(node.branches[0], dict(once), (*guards, label))  # with what the first round left; a third adds nothing new
        return merge([env, once, again])

    def _loop_variable(self, node: Node, env: Env) -> None:
        assert node.code is not None
        targets = [t.strip() for t in node.target.split(",")]
        if node.word == "foreach":
            forget(env, targets[0], node.code.code)
            env[targets[0]] = elements(node.code, env, self.inline) or env[targets[0]]
        else:
            bind_row(env, targets, node.code, self.inline)

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
            self._set(env, node.target, node.code)
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

    def _set(self, env: Env, name: str, code: Statement) -> None:
        values = elements(code, env, self.inline)
        texts = Evaluator(code, env, self.inline).value() if not values else [unknown(code.code)]
        forget(env, name, code.code)
        env[name] = texts
        if values:
            env[f"{name}[]"] = values

    def _execute(self, node: Node, env: Env, guards: tuple[str, ...]) -> Env:
        assert node.code is not None
        self._run(node.code, env, guards, node)
        return self._forget(node.code, env)

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
        return self._filled(node, self._into(node.code, env))

    def _into(self, code: Statement, env: Env) -> Env:
        """`select expr into v`: v holds what expr can be. Any other INTO makes its targets unknown."""
        depth = 0
        for i, token in enumerate(code.tokens):
            depth += (token.kind == "op") * ((token.word in ("(", "[")) - (token.word in (")", "]")))
            if (
                depth == 0
                and token.kind == "name"
                and token.word == "into"
                and code.word(0) in ("select", "with", "update", "delete", "insert", "merge", "values")
            ):
                if code.word(0) in ("insert", "merge") and i == 1:
                    continue
                return self._bind(code, i, env)
        return env

    def _bind(self, code: Statement, i: int, env: Env) -> Env:
        env = dict(env)
        at = i + 1 + (code.word(i + 1) == "strict")
        targets = [code.word(at)]
        while code.word(at + 1) == ",":
            at += 2
            targets.append(code.word(at))
        plain = code.word(0) == "select"
        start, stop = (1, i) if plain else (0, 0)
        if plain and i == 1:
            ends = [k for k in range(at + 1, len(code.tokens)) if code.word(k) == "from"]
            start, stop = at + 1, ends[0] if ends else len(code.tokens)
        given = commas(code.tokens, start, stop)
        values = [Evaluator(code, env, self.inline).value(*pair) for pair in given] if plain else []
        for k, target in enumerate(targets):
            forget(env, target, code.code)
            if len(values) == len(targets):
                env[target] = values[k]
        return env

    def _forget(self, code: Statement, env: Env) -> Env:
        at = using_at(code)
        if code.word(at) != "into":
            return env
        env = dict(env)
        for token in code.tokens[at + 1 :]:
            if token.kind == "name":
                forget(env, token.word, code.code)
            if token.word == "using":
                break
        return env

    def inline(self, name: str, args: list[Value]) -> Value | None:
        """What a one-expression function of the schema returns."""
        found = [b for b in self.catalog.named(name) if b.tree is not None and len(b.routine.args) >= len(args)]
        if len(found) != 1 or self.inlining >= _DEPTH or found[0].tree is None:
            return None
        body = found[0]
        assert body.tree is not None
        nodes = body.tree.branches[0] if body.tree.branches else []
        if len(nodes) != 1 or nodes[0].code is None or nodes[0].kind not in ("sql", "return"):
            return None
        code = nodes[0].code
        if code.word(0) == "select":
            if any(t.word == "from" and t.kind == "name" for t in code.tokens):
                return None
            code = sub(code, 1, len(code.tokens))
        env: Env = {param: value for param, value in zip(body.params, args, strict=False) if param}
        env |= {f"${k}": value for k, value in enumerate(args, 1)}
        self.inlining += 1
        try:
            return Evaluator(code, env, self.inline).value()
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
            body = apply(stmt, self.catalog, self.owner) if _taken(stmt) else None
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
        if not control and kind == "direct" and _taken(stmt) and self.owner != TOP_LEVEL:
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
            self.defaults(stmt)
            return
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

    def defaults(self, stmt: Statement) -> None:
        """The calls in the DEFAULTs of a table: the table makes them, whoever inserts."""
        words = [t.word for t in stmt.tokens[:8]]
        if "table" in words:
            at = words.index("table") + 1
            at += {"not": 3, "exists": 2}.get(stmt.word(at + 1), 0) if stmt.word(at) == "if" else 0
            name, _ = name_at(stmt.tokens, at)
            for raw in calls_of(stmt):
                self.raw_calls.append((raw, self.catalog.qualify(name), "default", (), None, {}))

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
            for call in resolve(raw, self.catalog, owner, kind, guards):
                if self._fresh(call.source, call.target, call.span, call.kind):
                    self.facts.calls.append(call)
                    _attach(node, call)
                at = self.executors.get(call.target)
                if at is not None and at < len(raw.args) and owner != call.target:
                    self._through(raw, owner, at, guards, node, env)

    def _through(self, raw: RawCall, owner: str, at: int, guards: tuple[str, ...], node: Node | None, env: Env) -> None:
        """The text handed to a routine that executes it."""
        self.owner = owner
        for text in Evaluator(raw.stmt, env, self.inline).value(*raw.args[at]):
            if not text.text.strip().startswith(HOLE):
                self.script(text, guards, node, "dynamic")
        self.owner = TOP_LEVEL


def _taken(stmt: Statement) -> bool:
    """Does the schema have what a routine makes or alters? What it drops may be there still: nobody may ever call it."""
    return stmt.word(0) in _SEEN_HEADS and (stmt.word(0) != "drop" or stmt.word(1) == "trigger")


def _attach(node: Node | None, fact: object) -> None:
    if node is not None:
        node.facts.append(fact)  # type: ignore[arg-type]
