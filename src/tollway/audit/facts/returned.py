"""What a function of the schema returns: it is read with the texts that a caller gives it, and nothing it does is told again."""

from __future__ import annotations

from collections.abc import Iterable

from tollway.audit.facts.binding import assign, assigned, bind_loop, executed_into, filled, forget, into, merge, unknown
from tollway.audit.facts.catalog import Body
from tollway.audit.load.code import Code
from tollway.audit.parse.names import short
from tollway.audit.parse.plpgsql import Node, sub
from tollway.audit.resolve.evaluate import LIMIT, Argument, Env, Evaluator, Inline, Value


def returned(body: Body, args: list[Argument], inline: Inline) -> Value | None:
    """Every text that it can return for these arguments; None where that cannot be told."""
    if body.tree is None or body.code is None:
        return None
    if body.routine.language == "sql":
        return _expression(body.tree, _given(body, args, body.code), inline)
    reading = _Reading(inline)
    reading.node(body.tree, _given(body, args, body.code))
    texts = list({v.text: v for v in reading.found}.values())
    return texts if texts and len(texts) <= LIMIT else None


def _given(body: Body, args: list[Argument], code: Code) -> Env:
    """The parameters by name, by the function's name and theirs, and by number; what is left to a DEFAULT is not known."""
    env: Env = {}
    names = {name: k for k, name in enumerate(body.params)}
    values = {(names.get(name, -1) if name else k): value for k, (name, value) in enumerate(args)}
    for k, param in enumerate(body.params):
        value = values.get(k, [unknown(code)])
        env |= {f"${k + 1}": value}
        if param:
            env |= {param: value, f"{short(body.routine.name)}.{param}": value}
    return env


def _expression(tree: Node, env: Env, inline: Inline) -> Value | None:
    """Of a function in SQL: what its only statement selects from no table."""
    nodes = tree.branches[0] if tree.branches else []
    if len(nodes) != 1 or nodes[0].code is None or nodes[0].kind not in ("sql", "return"):
        return None
    code = nodes[0].code
    if code.word(0) == "select":
        if any(t.word == "from" and t.kind == "name" for t in code.tokens):
            return None
        code = sub(code, 1, len(code.tokens))
    return Evaluator(code, env, inline).value()


class _Reading:
    """One way through a body in PL/pgSQL; `found` is what its RETURNs give. An environment of None: nobody comes by."""

    def __init__(self, inline: Inline) -> None:
        self.inline = inline
        self.found: Value = []

    def nodes(self, nodes: Iterable[Node], env: Env | None) -> Env | None:
        for node in nodes:
            if env is None:
                return None
            env = self.node(node, env)
        return env

    def node(self, node: Node, env: Env) -> Env | None:
        if node.kind == "return" and not node.word:
            if node.code is not None and node.code.tokens:
                self.found += Evaluator(node.code, env, self.inline).value()
            return None
        if node.kind == "raise" and node.word == "exception":
            return None
        if node.kind == "block":
            return self._block(node, env)
        if node.kind in ("if", "case"):
            outs = [self.nodes(branch, dict(env)) for branch in node.branches]
            return _met(outs if node.exhaustive else [env, *outs])
        if node.kind == "loop":
            return self._loop(node, env)
        return self._simple(node, dict(env))

    def _block(self, node: Node, env: Env) -> Env | None:
        env = dict(env)
        for name, code in node.declared:
            if code is None:
                env[name] = []  # unset, it is NULL
            else:
                assign(env, name, code, self.inline)
        after = self.nodes(node.branches[0], env)
        outs = [self.nodes(handler, merge([env, after or env])) for handler in node.handlers]
        return _met([after, *outs])

    def _loop(self, node: Node, env: Env) -> Env | None:
        env = dict(env)
        if node.code is not None:
            bind_loop(env, node, self.inline)
        once = self.nodes(node.branches[0], dict(env))
        again = self.nodes(node.branches[0], dict(once)) if once is not None and assigned(node.branches[0]) else None
        return _met([env, once, again])

    def _simple(self, node: Node, env: Env) -> Env:
        code = node.code
        if code is None:
            return env
        if node.kind == "assign" and not node.conds:
            assign(env, node.target, code, self.inline)
        elif node.kind == "assign":
            forget(env, node.target, code.code)
        elif node.kind == "execute":
            env = executed_into(code, env)
        elif node.kind == "sql":
            env = into(code, env, self.inline)
        for name in filled(node):
            forget(env, name, code.code)
        return env


def _met(outs: list[Env | None]) -> Env | None:
    """What holds where the ways that go on meet."""
    live = [env for env in outs if env is not None]
    return merge(live) if live else None
