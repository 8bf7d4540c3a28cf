"""What all walks share: the project, module constants, mapped classes, attributes of instances, and where SQL is sent."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tollway.audit.python import orm
from tollway.audit.python.facts import Record
from tollway.audit.python.modules import ClassInfo, FunctionInfo, Module, Project
from tollway.audit.python.values import OPAQUE, Instance, Model, Named, Opaque, Row, Rows, Source, Statement, Text, Value

SENDS = re.compile(
    r"^_?(a?execute\w*|exec|exec_driver_sql|fetch(?:_?(?:row|val|one|all|many|iter|rows|value))?|query(?:_\w+)?|run_(?:sql|query)"
    r"|scalars?|stream(?:_scalars)?|iterate|mogrify|copy|copy_expert|prepare|raw|read_sql(?:_query)?)$"
)
"""Names of methods to which drivers, and wrappers of drivers, give SQL."""
DRIVERS = re.compile(r"^(?:execute|executemany|exec_driver_sql|fetch(?:row|val|one|all|_one|_all|_val)?|scalars?)$")
"""Names that a driver's method has even where the project has a function of the same name."""
KEYWORDS = ("query", "sql", "statement", "stmt", "operation", "command", "clause")


@dataclass(slots=True)
class Frame:
    """One walk over one body."""

    routine: str
    module: Module
    owner: ClassInfo | None = None
    function: FunctionInfo | None = None
    env: dict[str, Value] = field(default_factory=dict)
    guards: list[str] = field(default_factory=list)
    depth: int = 0
    record: Record | None = None  # None: only the values are wanted
    returns: list[Value] = field(default_factory=list)
    pending: dict[tuple[int, int], tuple[Statement, tuple[str, ...]]] = field(default_factory=dict)  # ORM statements not sent yet
    mentions: dict[tuple[int, int], Text] = field(default_factory=dict)  # named queries not sent yet


@dataclass(slots=True)
class World:
    """Built once for a scan."""

    project: Project
    record: Record = field(default_factory=Record)
    sql_functions: frozenset[str] = frozenset()
    sinks: dict[str, set[str]] = field(default_factory=dict)  # function -> its parameters that are sent as SQL
    consumed: set[Source] = field(default_factory=set)
    models: dict[str, Model | None] = field(default_factory=dict)
    constants: dict[str, dict[str, Value]] = field(default_factory=dict)
    attributes: dict[str, dict[str, Value]] = field(default_factory=dict)
    by_name: dict[str, list[FunctionInfo]] = field(default_factory=dict)  # methods, by their name alone
    inlined: dict[tuple[str, tuple[tuple[str, Value], ...]], Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for info in self.project.functions():
            if info.owner is not None:
                self.by_name.setdefault(info.node.name, []).append(info)

    def model(self, info: ClassInfo) -> Model | None:
        if info.dotted not in self.models:
            self.models[info.dotted] = orm.model_of(self.project, info)
        return self.models[info.dotted]

    def class_value(self, info: ClassInfo) -> Value:
        return self.model(info) or Named(info.dotted)

    def method(self, owner: ClassInfo, name: str, *, above: bool = False) -> FunctionInfo | None:
        """The method that a call on an instance reaches; `above`: as super() looks for it."""
        for info in orm.lineage(self.project, owner)[1 if above else 0 :]:
            if name in info.methods:
                return info.methods[name]
        return None

    def overriding(self, owner: ClassInfo, name: str) -> Iterator[FunctionInfo]:
        """The same method in the classes below: a call may reach them, too."""
        for method in self.by_name.get(name, ()):
            if method.owner is not None and method.owner is not owner and owner in orm.lineage(self.project, method.owner):
                yield method

    def annotated(self, module: Module, annotation: ast.expr | None) -> Value:
        """An instance of what an annotation names, when that is a class of the project."""
        if annotation is None:
            return OPAQUE
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                annotation = ast.parse(annotation.value, mode="eval").body
            except SyntaxError:
                return OPAQUE
        if isinstance(annotation, ast.BinOp):  # X | None
            left = self.annotated(module, annotation.left)
            return left if not isinstance(left, Opaque) else self.annotated(module, annotation.right)
        if isinstance(annotation, ast.Subscript):
            inner = self.annotated(module, annotation.slice)
            name = ast.unparse(annotation.value).rpartition(".")[2]
            if name in {"Optional", "Annotated", "ClassVar", "Final"}:
                return inner
            return Rows(inner.model) if isinstance(inner, Row) else OPAQUE
        return self._instance(module, annotation)

    def _instance(self, module: Module, annotation: ast.expr) -> Value:
        info = self.class_named(module, annotation)
        if info is None:
            return OPAQUE
        model = self.model(info)
        return Row(model) if model else Instance(info.dotted)

    def class_named(self, module: Module, node: ast.expr) -> ClassInfo | None:
        if not isinstance(node, ast.Name | ast.Attribute):
            return None
        dotted = ast.unparse(node)
        head, _, rest = dotted.partition(".")
        if dotted in module.classes:
            return module.classes[dotted]
        full = module.imports.get(head, head) + (f".{rest}" if rest else "")
        return self.project.class_(self.project.lookup(full))


def sql_argument(call: ast.Call) -> ast.expr | None:
    """The argument of a sending call that is the SQL."""
    for keyword in call.keywords:
        if keyword.arg in KEYWORDS:
            return keyword.value
    return call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None


def called_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""


def unwrapped(argument: ast.expr) -> ast.expr:
    """SQL(query), text(query), cast(T, query), PATTERN.sub("%%", query): the query."""
    if isinstance(argument, ast.Call) and called_name(argument) in {"SQL", "text", "cast", "str", "sub"} and argument.args:
        return argument.args[-1]
    return argument


def find_sinks(project: Project) -> dict[str, set[str]]:
    """Functions that send one of their own parameters as SQL, directly or through another such function."""
    sinks: dict[str, set[str]] = {}
    # by name alone, too: the type of `self.connector` is seldom known
    short: dict[str, dict[str, int]] = {info.node.name: {} for info in project.functions()}
    while True:
        before = sum(map(len, sinks.values()))
        for info in project.functions():
            names = [a.arg for a in info.parameters if a.arg not in {"self", "cls"}]
            for call in (n for n in ast.walk(info.node) if isinstance(n, ast.Call)):
                for argument in map(unwrapped, _sent(call, short)):
                    if isinstance(argument, ast.Name) and argument.id in names:
                        sinks.setdefault(info.dotted, set()).add(argument.id)
                        short.setdefault(info.node.name, {})[argument.id] = names.index(argument.id)
        if sum(map(len, sinks.values())) == before:
            break
    for info in project.functions():  # the abstract method of a base class sends what its implementations send
        sent = set(short[info.node.name]) & {a.arg for a in info.parameters}
        if sent and info.owner is not None:
            sinks.setdefault(info.dotted, set()).update(sent)
    return sinks


def _sent(call: ast.Call, short: dict[str, dict[str, int]]) -> Iterator[ast.expr]:
    name = called_name(call)
    if (DRIVERS.match(name) or (name not in short and SENDS.match(name))) and (argument := sql_argument(call)) is not None:
        yield argument
    for parameter, position in list(short.get(name, {}).items()):
        yield from (k.value for k in call.keywords if k.arg == parameter)
        yield from call.args[position : position + 1]
