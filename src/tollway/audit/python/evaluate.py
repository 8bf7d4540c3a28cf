"""What an expression may be worth, as far as it can be known before the program runs."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from tollway.audit.python import orm, strings
from tollway.audit.python.modules import ClassInfo, FunctionInfo
from tollway.audit.python.values import (
    OPAQUE,
    Dict,
    Instance,
    Model,
    Named,
    Opaque,
    Piece,
    Query,
    Seq,
    Text,
    Texts,
    Value,
    concat,
    literal,
    union,
)
from tollway.audit.python.world import Frame, World

if TYPE_CHECKING:
    from tollway.audit.python.calls import Calls

MAX_ITEMS = 32


class Evaluator:
    """Values of expressions in one frame. Calls are handed on to `calls`, which also records them."""

    def __init__(self, world: World, frame: Frame) -> None:
        self.world = world
        self.frame = frame
        self.calls: Calls | None = None

    def value(self, node: ast.expr | None) -> Value:
        if node is None:
            return OPAQUE
        reader: Callable[[ast.expr], Value] | None = getattr(self, f"_{type(node).__name__.lower()}", None)
        if reader is not None:
            return reader(node)
        for child in ast.iter_child_nodes(node):  # whatever it is, the calls inside it happen
            if isinstance(child, ast.expr):
                self.value(child)
        return OPAQUE

    def _call(self, node: ast.Call) -> Value:
        return self.calls.read(node) if self.calls is not None else OPAQUE

    def _constant(self, node: ast.Constant) -> Value:
        if isinstance(node.value, bytes):
            return literal(node.value.decode(errors="replace"), self.frame.module.source(node))
        return literal(node.value, self.frame.module.source(node)) if isinstance(node.value, str) else OPAQUE

    def _joinedstr(self, node: ast.JoinedStr) -> Value:
        source = self.frame.module.source(node)
        parts: list[Value] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                parts.append(self.value(part.value))
            elif isinstance(part, ast.Constant):
                parts.append(Texts((Text((Piece(str(part.value), source),)),)))
        return concat(parts)

    def _binop(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Mod) and isinstance(left, Texts):
            return strings.percent(left, right)
        if isinstance(node.op, ast.Add):
            if isinstance(left, Texts) or isinstance(right, Texts):
                return concat([left, right])
            if isinstance(left, Seq) or isinstance(right, Seq):
                items = [s for s in (left, right) if isinstance(s, Seq)]
                return Seq(tuple(i for s in items for i in s.items), complete=len(items) == 2 and all(s.complete for s in items))
        if isinstance(node.op, ast.BitOr) and isinstance(left, Dict) and isinstance(right, Dict):
            return Dict({**left.items, **right.items}, left.complete and right.complete)
        if isinstance(node.op, ast.Mult) and isinstance(left, Seq):
            return Seq(left.items, complete=False)
        return OPAQUE

    def _boolop(self, node: ast.BoolOp) -> Value:
        return union([self.value(v) for v in node.values])

    def _ifexp(self, node: ast.IfExp) -> Value:
        self.value(node.test)
        self.frame.guards.append(f"if {ast.unparse(node.test)}")
        found = [self.value(node.body), self.value(node.orelse)]
        self.frame.guards.pop()
        return union(found)

    def _await(self, node: ast.Await) -> Value:
        return self.value(node.value)

    def _starred(self, node: ast.Starred) -> Value:
        return self.value(node.value)

    def _namedexpr(self, node: ast.NamedExpr) -> Value:
        found = self.value(node.value)
        if isinstance(node.target, ast.Name):
            self.frame.env[node.target.id] = found
        return found

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        items: list[Value] = []
        complete = True
        for element in node.elts:
            found = self.value(element)
            if isinstance(element, ast.Starred):
                complete = complete and isinstance(found, Seq) and found.complete
                items += found.items if isinstance(found, Seq) else ()
            else:
                items.append(found)
        return Seq(tuple(items), complete)

    _list = _tuple = _set = _sequence

    def _dict(self, node: ast.Dict) -> Value:
        items: dict[str, Value] = {}
        complete = True
        for key, value in zip(node.keys, node.values, strict=True):
            found = self.value(value)
            name = plain(self.value(key)) if key is not None else None
            if name is not None:
                items[name] = found
            elif key is None and isinstance(found, Dict):
                items.update(found.items)
                complete = complete and found.complete
            else:
                complete = False
        return Dict(items, complete)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
        """Unrolled over a constant list; else one element stands for all."""
        saved = dict(self.frame.env)
        first = node.generators[0]
        over = self.value(first.iter)
        rounds = list(over.items[:MAX_ITEMS]) if isinstance(over, Seq) and over.items else [orm.row_of(over)]
        complete = isinstance(over, Seq) and over.complete and len(node.generators) == 1 and not first.ifs
        found = []
        for item in rounds:
            self.bind(first.target, item)
            for generator in node.generators[1:]:
                self.bind(generator.target, orm.row_of(self.value(generator.iter)))
            for test in (t for g in node.generators for t in g.ifs):
                self.value(test)
            found.append(self.value(node.elt))
        self.frame.env.clear()
        self.frame.env.update(saved)
        return Seq(tuple(found), complete)

    _listcomp = _setcomp = _generatorexp = _comprehension

    def _lambda(self, node: ast.Lambda) -> Value:
        saved = dict(self.frame.env)
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            self.frame.env[argument.arg] = OPAQUE
        self.frame.guards.append("in a lambda")
        self.value(node.body)
        self.frame.guards.pop()
        self.frame.env.clear()
        self.frame.env.update(saved)
        return OPAQUE

    def bind(self, target: ast.expr, value: Value) -> None:
        """Give a name, or each name of a tuple, its value."""
        if isinstance(target, ast.Name):
            self.frame.env[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            items = value.items if isinstance(value, Seq) and value.complete and len(value.items) == len(target.elts) else None
            for index, element in enumerate(target.elts):
                self.bind(element, items[index] if items else OPAQUE)

    def _subscript(self, node: ast.Subscript) -> Value:
        base, key = self.value(node.value), self.value(node.slice)
        name = plain(key)
        if isinstance(base, Dict):
            if name is not None and name in base.items:
                return base.items[name]
            if name is not None:
                return OPAQUE if base.complete else self.named_query(name, node)
            return union(base.items.values()) if base.items else OPAQUE
        if isinstance(base, Seq) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int):
            index = node.slice.value
            return base.items[index] if -len(base.items) <= index < len(base.items) else OPAQUE
        if isinstance(base, Opaque | Named) and name is not None:
            return self.named_query(name, node)
        return orm.row_of(base)

    def named_query(self, name: str, node: ast.expr) -> Value:
        """A dictionary or an object that nobody can follow, asked for a name that a file of named queries has."""
        query = self.world.project.queries.get(name)
        if query is None:
            return OPAQUE
        self.frame.mentions[node.lineno, node.col_offset] = query
        return Texts((query,))

    def _name(self, node: ast.Name) -> Value:
        frame = self.frame
        if node.id in frame.env:
            return frame.env[node.id]
        module = frame.module
        constants = self.world.constants.get(module.name, {})
        if node.id in constants:
            return constants[node.id]
        if node.id in module.classes:
            return self.world.class_value(module.classes[node.id])
        if node.id in module.functions:
            return Named(f"{module.name}:{node.id}")
        return self.named(self.world.project.lookup(module.imports[node.id])) if node.id in module.imports else OPAQUE

    def named(self, dotted: str) -> Value:
        """What `module:Name` or an imported name stands for."""
        if (info := self.world.project.class_(dotted)) is not None:
            return self.world.class_value(info)
        module, colon, name = dotted.partition(":")
        if colon and self.world.project.function(dotted) is None and "." not in name:
            return self.world.constants.get(module, {}).get(name, OPAQUE)
        return Named(dotted)

    def _attribute(self, node: ast.Attribute) -> Value:
        base = self.value(node.value)
        if isinstance(base, Named):
            return self._of_named(base, node)
        if isinstance(base, Instance):
            owner = self.world.project.class_(base.owner)
            return self.of_instance(owner, node.attr) if owner else OPAQUE
        if isinstance(base, Texts):
            return base if node.attr in {"value", "name"} else OPAQUE
        if isinstance(base, Model):
            return Query(base) if node.attr == "query" else base if node.attr == "__table__" else OPAQUE
        return OPAQUE

    def _of_named(self, base: Named, node: ast.Attribute) -> Value:
        if (owner := self.world.project.class_(base.dotted)) is not None:
            return self.of_class(owner, node.attr)
        if base.dotted in self.world.project.modules:
            return self.named(self.world.project.lookup(f"{base.dotted}.{node.attr}"))
        return Named(f"{base.dotted}.{node.attr}")

    def of_class(self, owner: ClassInfo, name: str) -> Value:
        if (method := self.world.method(owner, name)) is not None:
            return Named(method.dotted)
        for info in orm.lineage(self.world.project, owner):
            found = self.world.constants.get(info.dotted, {}).get(name)
            if found is not None:
                return found
        return OPAQUE

    def of_instance(self, owner: ClassInfo, name: str) -> Value:
        """An attribute of self: as the methods assign it, else as the class does."""
        for info in orm.lineage(self.world.project, owner):
            found = self.world.attributes.get(info.dotted, {}).get(name)
            if found is not None:
                return found
        return self.of_class(owner, name)


def plain(value: Value) -> str | None:
    """The text of a value that has exactly one, without holes."""
    return value.options[0].plain if isinstance(value, Texts) and len(value.options) == 1 else None


def parameter_values(world: World, info: FunctionInfo) -> dict[str, Value]:
    """What is known of a function's parameters from its text alone."""
    env: dict[str, Value] = {a.arg: world.annotated(info.module, a.annotation) for a in info.parameters}
    for extra in (info.node.args.vararg, info.node.args.kwarg):
        if extra is not None:
            env[extra.arg] = OPAQUE
    if info.owner is not None and info.parameters and not info.is_static:
        first = info.parameters[0].arg
        env[first] = Named(info.owner.dotted) if first == "cls" else Instance(info.owner.dotted)
    return env
