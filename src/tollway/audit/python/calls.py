"""Calls: what they give back, what they send to the database, whom they call."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tollway.audit.model import Verb
from tollway.audit.python import orm, strings
from tollway.audit.python.evaluate import Evaluator, plain
from tollway.audit.python.facts import Calls as CallFact
from tollway.audit.python.facts import Did, Unresolved
from tollway.audit.python.modules import ClassInfo, FunctionInfo
from tollway.audit.python.sqltext import Place, SqlWrite, looks_like_sql, read
from tollway.audit.python.values import (
    OPAQUE,
    Dict,
    Instance,
    Model,
    Named,
    Opaque,
    Query,
    Row,
    Rows,
    Seq,
    Statement,
    Text,
    Texts,
    Value,
    concat,
    hole,
)
from tollway.audit.python.world import KEYWORDS, SENDS, called_name, sql_argument, unwrapped

SAME_TEXT = {
    "strip",
    "lstrip",
    "rstrip",
    "lower",
    "upper",
    "encode",
    "decode",
    "as_string",
    "as_bytes",
    "removesuffix",
    "expandtabs",
    "replace",
    "bindparams",
}
IDENTITY = {
    "str",
    "cast",
    "typing.cast",
    "textwrap.dedent",
    "dedent",
    "inspect.cleandoc",
    "cleandoc",
    "list",
    "tuple",
    "set",
    "sorted",
    "reversed",
    "iter",
}
DATABASE = re.compile(
    r"(?:conn|cur|curs|cursor|connection|session|sess|db|database|tx|txn|transaction|pool|engine|pg|postgres)\w*$", re.IGNORECASE
)
COMMON = re.compile(
    r"get|set|add|run|start|stop|close|open|read|write|send|append|update|pop|items|keys|values|copy|join|format|split|commit|rollback"
    r"|execute|fetch(?:one|all|many)?|begin(?:_nested)?|connect|cursor|delete|insert|put|info|debug|warning|error|exception|encode|decode"
    r"|strip|replace|wait|emit|cancel|result|__\w+__"
)
"""Methods that too many classes have: one class of the project that has it, too, proves nothing."""


class Calls:
    """Reads the calls of one frame."""

    def __init__(self, evaluator: Evaluator, inline: Callable[[FunctionInfo, Mapping[str, Value]], Value]) -> None:
        self.evaluator = evaluator
        self.world = evaluator.world
        self.frame = evaluator.frame
        self.inline = inline

    def read(self, node: ast.Call) -> Value:
        base = self.evaluator.value(node.func.value) if isinstance(node.func, ast.Attribute) else None
        args, kwargs = self._arguments(node)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        self._references(node, args, kwargs)
        if base is not None and (known := self._on_value(node, base, method, args, kwargs)) is not None:
            return known
        callee = self._callee(node, base)
        if isinstance(callee, Model):
            columns, values = orm.assigned(callee, [], kwargs)
            return Row(callee, new=True, columns=columns, values=values)
        if isinstance(callee, Named):
            if (made := self._library(node, callee.dotted, args, kwargs)) is not None:
                return made
            if (info := self.world.project.class_(callee.dotted)) is not None:
                return self._construct(node, info)
            if (function := self.world.project.function(callee.dotted)) is not None:
                return self._own_function(node, function, base, args, kwargs)
        return self._elsewhere(node, base, callee, args, kwargs)

    def _arguments(self, node: ast.Call) -> tuple[list[Value], dict[str, Value]]:
        args: list[Value] = []
        for argument in node.args:
            found = self.evaluator.value(argument)
            args += found.items if isinstance(argument, ast.Starred) and isinstance(found, Seq) and found.complete else [found]
        kwargs: dict[str, Value] = {}
        for keyword in node.keywords:
            found = self.evaluator.value(keyword.value)
            if keyword.arg is not None:
                kwargs[keyword.arg] = found
            elif isinstance(found, Dict):
                kwargs.update({name: value for name, value in found.items.items() if name not in kwargs})
        return args, kwargs

    def _references(self, node: ast.Call, args: Sequence[Value], kwargs: Mapping[str, Value]) -> None:
        """A function that is handed over may be called there: asyncio.to_thread(self.fail, ...)."""
        for value in (*args, *kwargs.values()):
            if isinstance(value, Named) and self.world.project.function(value.dotted) is not None:
                self.call(node, value.dotted, certain=False)

    def _callee(self, node: ast.Call, base: Value | None) -> Value:
        if isinstance(node.func, ast.Name):
            found = self.evaluator.value(node.func)
            return found if not isinstance(found, Opaque) else Named(node.func.id)
        if (
            isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Call)
            and called_name(node.func.value) == "super"
            and self.frame.owner
        ):
            above = self.world.method(self.frame.owner, node.func.attr, above=True)
            return Named(above.dotted) if above else OPAQUE
        return self.evaluator.value(node.func) if not isinstance(base, Opaque) else OPAQUE

    def _on_value(self, node: ast.Call, base: Value, method: str, args: list[Value], kwargs: Mapping[str, Value]) -> Value | None:
        """A method of a value that is understood; None: look further."""
        if isinstance(base, Texts):
            return self._text_method(base, method, args, kwargs)
        if isinstance(base, Statement):
            return self.keep(node, orm.statement_method(base, method, args, kwargs))
        if isinstance(base, Query) and method in {"update", "delete"}:
            columns, values = orm.assigned(base.model, args[:1], {}) if method == "update" else ((), ())
            self.orm_write(node, Statement(orm.VERBS[method], base.model, columns, values), certain=True)
            return OPAQUE
        if isinstance(base, Query | Rows):
            return orm.query_method(base, method)
        if isinstance(base, Model) and method in {*orm.VERBS, "select"}:
            return Query(base) if method == "select" else self.keep(node, Statement(orm.VERBS[method], base))
        if isinstance(base, Dict):
            return self._dict_method(base, method, args)
        return self._seq_method(node, base, method, args) if isinstance(base, Seq) else None

    def _text_method(self, base: Texts, method: str, args: list[Value], kwargs: Mapping[str, Value]) -> Value:
        if method == "format":
            return strings.format_(base, args, kwargs)
        if method == "join":
            return strings.join(base, args[0] if args else OPAQUE)
        return base if method in SAME_TEXT else OPAQUE

    def _dict_method(self, base: Dict, method: str, args: list[Value]) -> Value:
        if method == "get" and args:
            name = plain(args[0])
            return base.items.get(name, OPAQUE) if name is not None else OPAQUE
        if method == "values":
            return Seq(tuple(base.items.values()), base.complete)
        if method == "keys":
            return Seq(tuple(Texts((Text(()),)) for _ in base.items), complete=False)
        return OPAQUE

    def _seq_method(self, node: ast.Call, base: Seq, method: str, args: list[Value]) -> Value:
        """A list grows where it stands."""
        grown: Seq | None = None
        if method in {"append", "add"} and args:
            grown = Seq((*base.items, args[0]), base.complete)
        elif method == "extend" and args:
            more = args[0]
            grown = (
                Seq((*base.items, *more.items), base.complete and more.complete)
                if isinstance(more, Seq)
                else Seq(base.items, complete=False)
            )
        if grown is not None and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            self.frame.env[node.func.value.id] = grown
        return OPAQUE

    def _library(self, node: ast.Call, dotted: str, args: list[Value], kwargs: dict[str, Value]) -> Value | None:
        """psycopg.sql, SQLAlchemy, and what leaves a text as it is."""
        name = dotted.rpartition(".")[2]
        first = args[0] if args else OPAQUE
        if name in {"SQL", "text", "TextClause"} and dotted != name and isinstance(first, Texts):
            return strings.marked_sql(first)
        if name == "Identifier":
            return strings.identifier(args)
        if name == "Literal" and dotted != name:
            constant = isinstance(node.args[0] if node.args else None, ast.Constant)
            return strings.constant(ast.literal_eval(node.args[0])) if constant else strings.literal(first)
        if name == "Placeholder" and dotted != name:
            return hole(literal=True)
        if name == "Composed" and isinstance(first, Seq):
            return strings.marked_sql(concat(first.items))
        if name in orm.VERBS and isinstance(first, Model):
            return self.keep(node, Statement(orm.VERBS[name], first))
        if name == "select":
            return next((Query(a) for a in args if isinstance(a, Model)), None)
        if name == "Table" and "." in dotted:
            return orm.table_of(args, kwargs)
        return self._builtin(node, dotted, args)

    def _builtin(self, node: ast.Call, dotted: str, args: list[Value]) -> Value | None:
        """setattr, and what gives back the text that it got."""
        name = dotted.rpartition(".")[2]
        first = args[0] if args else OPAQUE
        if dotted == "setattr" and len(args) == 3 and isinstance(first, Row):
            self.row_write(node, first, plain(args[1]) or "*", args[2])
        if name == "sub" and isinstance(args[-1] if args else OPAQUE, Texts):  # re.sub, pattern.sub
            return args[-1]
        if dotted in IDENTITY and args:
            return args[-1] if name == "cast" else first
        return None

    def _construct(self, node: ast.Call, info: ClassInfo) -> Value:
        if (init := self.world.method(info, "__init__")) is not None:
            self.call(node, init.dotted)
        return Instance(info.dotted)

    def _own_function(
        self, node: ast.Call, function: FunctionInfo, base: Value | None, args: list[Value], kwargs: dict[str, Value]
    ) -> Value:
        """A function of the project: record the call, send what it sends, and see what it gives back."""
        self.call(node, function.dotted)
        if isinstance(base, Instance) and function.owner is not None and (owner := self.world.project.class_(base.owner)) is not None:
            for below in self.world.overriding(owner, function.node.name):
                self.call(node, below.dotted, certain=False)
        bound = bind_arguments(function, base, args, kwargs)
        for name in self.world.sinks.get(function.dotted, ()):
            if name in bound:
                self.send(node, bound[name])
        return self.inline(function, bound)

    def _elsewhere(self, node: ast.Call, base: Value | None, callee: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A function of somebody else: perhaps the driver, perhaps an SQLAlchemy session."""
        name = called_name(node)
        if (done := self._session(node, base, name, args)) is not None:
            return done
        value = next((kwargs[k] for k in KEYWORDS if k in kwargs), args[0] if args else OPAQUE)
        if SENDS.match(name):
            return self._sent(node, value, name)
        if any(k in kwargs for k in KEYWORDS) and isinstance(value, Texts | Statement):
            self.send(node, value, certain=isinstance(value, Statement), quiet=True)
        if isinstance(callee, Opaque) and isinstance(node.func, ast.Attribute):
            if isinstance(base, Opaque | Named) and name in self.world.project.queries:  # aiosql: queries.fail_run(conn, ...)
                self.send(node, self.evaluator.named_query(name, node))
            self._by_name(node, name)
        return OPAQUE

    def _sent(self, node: ast.Call, value: Value, name: str) -> Value:
        if not node.args and not node.keywords:  # cursor.fetchone()
            return OPAQUE
        if isinstance(value, Query | Rows):
            return orm.query_method(value, name) if name not in {"execute", "exec"} else Rows(value.model)
        self.send(node, value, database=self._is_database(node, name))
        return OPAQUE

    def _is_database(self, node: ast.Call, name: str) -> bool:
        """Whether what cannot be read here is SQL at all: `executor.execute(job)` is not."""
        if not isinstance(node.func, ast.Attribute):
            return False
        receiver = ast.unparse(node.func.value).rpartition(".")[2].rstrip("()")
        return bool(DATABASE.match(receiver)) and name.startswith(("execute", "exec", "fetch"))

    def _session(self, node: ast.Call, base: Value | None, name: str, args: list[Value]) -> Value | None:
        """session.add(row), session.delete(row), session.get(Model, key), session.query(Model)."""
        if base is None or not args:
            return None
        first = args[0]
        if name in {"get", "get_one"} and isinstance(first, Model):
            return Row(first)
        if name == "query" and (model := next((a for a in args if isinstance(a, Model)), None)):
            return Query(model)
        rows = first.items if isinstance(first, Seq) else (first,)
        if name in {"add", "add_all", "merge", "delete", "bulk_save_objects"} and any(isinstance(r, Row) for r in rows):
            for row in (r for r in rows if isinstance(r, Row)):
                verb: Verb = "delete" if name == "delete" else "insert" if row.new else "update"
                if row.new or verb == "delete":
                    self.orm_write(node, Statement(verb, row.model, row.columns, row.values), certain=True)
            return first
        if name in orm.BULK and isinstance(first, Model):
            columns, values = orm.assigned(first, args[1:2], {})
            self.orm_write(node, Statement(orm.BULK[name], first, columns or ("*",), values), certain=False)
            return OPAQUE
        return None

    def _by_name(self, node: ast.Call, name: str) -> None:
        """A method of an object that nobody knows: the project's only class that has it, if the name is rare."""
        if COMMON.fullmatch(name):
            return
        found = self.world.by_name.get(name, [])
        if len(found) == 1:
            self.call(node, found[0].dotted, certain=False)

    # What is recorded

    def place(self, node: ast.AST) -> Place:
        return Place(self.frame.module.path, getattr(node, "lineno", 1), getattr(node, "col_offset", 0))

    def call(self, node: ast.Call, target: str, *, certain: bool = True) -> None:
        if self.frame.record is not None:
            self.frame.record.calls[CallFact(self.frame.routine, target, self.place(node), tuple(self.frame.guards), certain)] = None

    def send(self, node: ast.Call, value: Value, *, certain: bool = True, quiet: bool = False, database: bool = True) -> None:
        """The value goes to the database: record what it does there, or that nobody can tell."""
        if isinstance(value, Statement):
            made = self.frame.pending.pop(value.origin, None)
            at = ast.Pass(lineno=value.origin[0], col_offset=value.origin[1]) if made is not None else node  # the verb's line
            self.orm_write(at, value, certain=certain)
        elif isinstance(value, Texts):
            for option in value.options:
                self.text(node, option, certain=certain and len(value.options) == 1, quiet=quiet)
        elif isinstance(value, Opaque | Named) and database and not quiet and not self._own_parameter(node):
            self.unresolved("dynamic", node, f"the SQL of {called_name(node)}() is not known before the program runs")

    def _own_parameter(self, node: ast.Call) -> bool:
        """A wrapper that sends what it was given: its callers are read instead."""
        argument = sql_argument(node)
        inner = unwrapped(argument) if argument is not None else None
        function = self.frame.function
        return isinstance(inner, ast.Name) and function is not None and inner.id in self.world.sinks.get(function.dotted, ())

    def text(self, node: ast.AST, text: Text, *, certain: bool, quiet: bool = False) -> None:
        """One SQL text."""
        if self.frame.record is None:
            return
        self.world.consumed.update(p.source for p in text.pieces if p.source is not None)
        if not text.sql and not looks_like_sql(text):
            if not any((p.text or "").strip() for p in text.pieces) and not quiet and not self._parameter_hole(node):
                self.unresolved("dynamic", node, "the whole statement is computed")
            return
        reading = read(text)
        if not reading.parsed:
            if not quiet:
                self.unresolved("unparsed", node, f"no reading of this SQL parses: {' '.join(reading.rendered.split())[:120]}")
            return
        guards = tuple(self.frame.guards)
        for fact in reading.facts:
            here = self.place(node)
            place = fact.place or here
            sent = here if place.file != here.file else None
            self.frame.record.did[Did(self.frame.routine, fact, place, guards, certain, sent)] = None

    def _parameter_hole(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and self._own_parameter(node)

    def keep(self, node: ast.Call, statement: Statement) -> Statement:
        """An ORM statement that was built; it counts when it is sent, and as a maybe when nobody sees it sent."""
        origin = statement.origin if statement.origin != (0, 0) else (node.lineno, node.col_offset)
        made = replace(statement, origin=origin)
        self.frame.pending[origin] = (made, tuple(self.frame.guards))
        return made

    def orm_write(self, node: ast.AST, statement: Statement, *, certain: bool) -> None:
        if self.frame.record is None:
            return
        place = self.place(node)
        write = SqlWrite(statement.verb, statement.model.relation, statement.columns, statement.values, place, "", statement.columns)
        self.frame.record.did[Did(self.frame.routine, write, place, tuple(self.frame.guards), certain)] = None

    def row_write(self, node: ast.AST, row: Row, attribute: str, value: Value) -> None:
        """`row.status = "failed"`: written at the next flush, if the row belongs to a session."""
        column = row.model.columns.get(attribute, attribute)
        shown = plain(value)
        self.orm_write(node, Statement("update", row.model, (column,), ((column, shown),) if shown is not None else ()), certain=False)

    def unresolved(self, kind: str, node: ast.AST, why: str) -> None:
        if self.frame.record is not None:
            self.frame.record.unresolved[Unresolved(kind, self.frame.routine, self.place(node), why)] = None


def bind_arguments(function: FunctionInfo, base: Value | None, args: Sequence[Value], kwargs: Mapping[str, Value]) -> dict[str, Value]:
    """Parameter by parameter, what a call gives."""
    names = [a.arg for a in (*function.node.args.posonlyargs, *function.node.args.args)]
    if function.owner is not None and not function.is_static and not (isinstance(base, Named) and args and isinstance(args[0], Instance)):
        names = names[1:]
    bound = dict(zip(names, args, strict=False))
    bound.update({n: v for n, v in kwargs.items() if n in {a.arg for a in function.parameters}})
    return bound
