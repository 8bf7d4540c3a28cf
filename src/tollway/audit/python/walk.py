"""Walk the statements of a body in order, with the conditions under which each stands."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from tollway.audit.python import orm
from tollway.audit.python.calls import Calls
from tollway.audit.python.evaluate import Evaluator, parameter_values, plain
from tollway.audit.python.facts import Calls as CallFact
from tollway.audit.python.facts import Did, Record
from tollway.audit.python.modules import ClassInfo, Function, FunctionInfo, Module
from tollway.audit.python.sqltext import Place
from tollway.audit.python.values import OPAQUE, Dict, Instance, Named, Opaque, Row, Seq, Value, union
from tollway.audit.python.world import Frame, World

INLINE_DEPTH = 3
INLINE_LINES = 60


class Walker:
    """One body, from its first statement to its last."""

    def __init__(self, world: World, frame: Frame, stack: tuple[str, ...] = ()) -> None:
        self.world = world
        self.frame = frame
        self.stack = stack
        self.evaluator = Evaluator(world, frame)
        self.calls = self.evaluator.calls = Calls(self.evaluator, self.inline)

    def block(self, body: Iterable[ast.stmt]) -> None:
        """What follows `if ...: return` stands under that condition's opposite."""
        depth = len(self.frame.guards)
        for stmt in body:
            visit = getattr(self, f"_{type(stmt).__name__.lower()}", None)
            if visit is not None:
                visit(stmt)
            else:
                for child in ast.iter_child_nodes(stmt):
                    if isinstance(child, ast.expr):
                        self.evaluator.value(child)
            if isinstance(stmt, ast.If) and leaves(stmt.body) != leaves(stmt.orelse):
                self.frame.guards.append(f"{'not ' if leaves(stmt.body) else ''}if {ast.unparse(stmt.test)}")
        del self.frame.guards[depth:]

    def guarded(self, guard: str | None, body: Iterable[ast.stmt]) -> None:
        if guard is not None:
            self.frame.guards.append(guard)
        self.block(body)
        if guard is not None:
            self.frame.guards.pop()

    def branches(self, branches: Iterable[tuple[str | None, list[ast.stmt]]]) -> None:
        """Each branch from the same start; afterwards a name is worth what any of them made of it."""
        start, ends = dict(self.frame.env), []
        for guard, body in branches:
            self.frame.env.clear()
            self.frame.env.update(start)
            self.guarded(guard, body)
            if not (leaves(body) or raises(body)):
                ends.append(dict(self.frame.env))
        merged = {name: union([end.get(name, OPAQUE) for end in ends]) for name in {n for end in ends for n in end}}
        self.frame.env.clear()
        self.frame.env.update(merged or start)

    # Statements

    def _if(self, node: ast.If) -> None:
        self.evaluator.value(node.test)
        test = ast.unparse(node.test)
        self.branches([(f"if {test}", node.body), (f"not if {test}", node.orelse)])

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        over = self.evaluator.value(node.iter)
        options = over.items if isinstance(over, Seq) and over.items else (orm.row_of(over),)
        self.evaluator.bind(node.target, union(options))
        guard = f"for {ast.unparse(node.target)} in {ast.unparse(node.iter)}"
        self.branches([(guard, node.body), (None, [])])
        self.block(node.orelse)

    _asyncfor = _for

    def _while(self, node: ast.While) -> None:
        self.evaluator.value(node.test)
        endless = isinstance(node.test, ast.Constant) and node.test.value is True
        self.branches([(None if endless else f"while {ast.unparse(node.test)}", node.body), (None, [])])
        self.block(node.orelse)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            found = self.evaluator.value(item.context_expr)
            if item.optional_vars is not None:
                self.evaluator.bind(item.optional_vars, found)
        self.block(node.body)

    _asyncwith = _with

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        swallows = any(not raises(h.body) for h in node.handlers)
        branches: list[tuple[str | None, list[ast.stmt]]] = [("try" if swallows else None, [*node.body, *node.orelse])]
        branches += [(f"except {ast.unparse(h.type) if h.type else ''}".strip(), h.body) for h in node.handlers]
        self.branches(branches)
        self.block(node.finalbody)

    _trystar = _try

    def _match(self, node: ast.Match) -> None:
        self.evaluator.value(node.subject)
        self.branches([*((f"case {ast.unparse(c.pattern)}", c.body) for c in node.cases), (None, [])])

    def _assign(self, node: ast.Assign) -> None:
        found = self.evaluator.value(node.value)
        for target in node.targets:
            self.assign(target, found)

    def _annassign(self, node: ast.AnnAssign) -> None:
        found = self.evaluator.value(node.value)
        declared = self.world.annotated(self.frame.module, node.annotation)
        self.assign(node.target, found if node.value is not None and not isinstance(found, Opaque) else declared)

    def _augassign(self, node: ast.AugAssign) -> None:
        left = ast.copy_location(ast.Name(node.target.id, ast.Load()), node) if isinstance(node.target, ast.Name) else None
        right = self.evaluator.value(node.value)
        if left is not None and isinstance(node.op, ast.Add):
            self.frame.env["\0right"] = right
            whole = ast.BinOp(left, node.op, ast.copy_location(ast.Name("\0right", ast.Load()), node))
            self.assign(node.target, self.evaluator.value(ast.copy_location(whole, node)))
            del self.frame.env["\0right"]
        elif isinstance(node.target, ast.Attribute | ast.Name):
            self.assign(node.target, OPAQUE)

    def assign(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Attribute):
            owner = self.evaluator.value(target.value)
            if isinstance(owner, Row):
                self.calls.row_write(target, owner, target.attr, value)
            elif isinstance(owner, Instance):
                known = self.world.attributes.setdefault(owner.owner, {})
                known[target.attr] = union([known[target.attr], value]) if target.attr in known else value
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            held = self.frame.env.get(target.value.id)
            name = plain(self.evaluator.value(target.slice))
            if isinstance(held, Dict):
                more = {name: value} if name is not None else {}
                self.frame.env[target.value.id] = Dict({**held.items, **more}, held.complete and name is not None)
        else:
            self.evaluator.bind(target, value)

    def _return(self, node: ast.Return) -> None:
        self.frame.returns.append(self.evaluator.value(node.value))

    def _functiondef(self, node: Function) -> None:
        """A function inside a function: its own routine, which the outer one may call."""
        for decorator in node.decorator_list:
            self.evaluator.value(decorator)
        outer = self.frame.function
        if outer is None:
            return
        info = self.frame.module.functions.get(f"{outer.qualname}.{node.name}")
        if info is None or info.node is not node:
            return
        self.frame.env[node.name] = Named(info.dotted)
        if self.frame.record is not None:
            walk_function(self.world, info, {**self.frame.env, **parameter_values(self.world, info)} | self._self())
            place = Place(self.frame.module.path, node.lineno, node.col_offset)
            self.frame.record.calls[CallFact(self.frame.routine, info.dotted, place, ("in a nested function",), False)] = None

    _asyncfunctiondef = _functiondef

    def _self(self) -> dict[str, Value]:
        """A nested function sees the method's self; it has none of its own."""
        return {name: value for name, value in self.frame.env.items() if isinstance(value, Instance) and name in {"self", "cls"}}

    def _classdef(self, _node: ast.ClassDef) -> None:
        """Its methods are walked on their own."""

    # Values of calls to the project's own functions

    def inline(self, info: FunctionInfo, bound: Mapping[str, Value]) -> Value:
        """What a function of the project gives back for these arguments, as far as it can be known."""
        length = (info.node.end_lineno or 0) - info.node.lineno
        if info.dotted in self.stack or len(self.stack) >= INLINE_DEPTH or length > INLINE_LINES:
            return self.world.annotated(info.module, info.node.returns)
        given = known(bound)
        key = (info.dotted, tuple(sorted(given.items(), key=lambda item: item[0])))
        if key not in self.world.inlined:
            frame = Frame(info.dotted, info.module, info.owner, info, {**parameter_values(self.world, info), **given})
            Walker(self.world, frame, (*self.stack, info.dotted)).block(info.node.body)
            self.world.inlined[key] = union(frame.returns) if frame.returns else OPAQUE
        found = self.world.inlined[key]
        return found if not isinstance(found, Opaque) else self.world.annotated(info.module, info.node.returns)


def known(bound: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in bound.items() if not isinstance(value, Opaque)}


def leaves(body: list[ast.stmt]) -> bool:
    """The block ends the routine, or this turn of the loop, without an error."""
    return bool(body) and (
        isinstance(body[-1], ast.Return | ast.Continue | ast.Break)
        or (isinstance(body[-1], ast.If) and leaves(body[-1].body) and leaves(body[-1].orelse))
        or (isinstance(body[-1], ast.With | ast.AsyncWith) and leaves(body[-1].body))
    )


def raises(body: list[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], ast.Raise)


def walk_function(world: World, info: FunctionInfo, env: dict[str, Value], *, record: bool = True) -> None:
    """Record what one function does; without a record, only learn what it gives to self."""
    frame = Frame(info.dotted, info.module, info.owner, info, env, record=world.record if record else None)
    walker = Walker(world, frame)
    walker.block(info.node.body)
    if record:
        finish(walker)


def finish(walker: Walker) -> None:
    """What was made and never seen sent is a maybe: an ORM statement handed to others, a named query in a dictionary."""
    frame, world = walker.frame, walker.world
    for statement, guards in frame.pending.values():
        frame.guards[:] = guards
        at = ast.Pass(lineno=statement.origin[0], col_offset=statement.origin[1])
        walker.calls.orm_write(at, statement, certain=False)
    sent = {(d.place.file, d.place.line) for d in world.record.did if isinstance(d, Did) and d.routine == frame.routine}
    frame.guards.clear()
    for (line, col), text in frame.mentions.items():
        sources = [p.source for p in text.pieces if p.source is not None]
        lines = {(s.file, s.line + n) for s in sources for n in range(s.segment.count("\n") + 1)}
        if not lines & sent:
            walker.calls.text(ast.Pass(lineno=line, col_offset=col), text, certain=False, quiet=True)


def walk_module(world: World, module: Module, record: Record | None) -> dict[str, Value]:
    """The statements of a file outside its functions; also gives the values of its names."""
    frame = Frame(
        f"{module.name}:<module>", module, record=record, env=dict(world.constants.get(module.name, {})) if record is None else {}
    )
    walker = Walker(world, frame)
    walker.block(module.tree.body)
    if record is not None:
        finish(walker)
    return frame.env


def walk_class(world: World, info: ClassInfo, record: Record | None) -> dict[str, Value]:
    """The statements of a class body; also gives the values of its names."""
    frame = Frame(f"{info.module.name}:{info.name}", info.module, info, record=record)
    walker = Walker(world, frame)
    walker.block(info.node.body)
    if record is not None:
        finish(walker)
    return frame.env
