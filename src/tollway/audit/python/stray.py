"""SQL in strings that nobody was seen to send: constants for others, arguments of unknown functions. Always a maybe."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tollway.audit.python.evaluate import Evaluator
from tollway.audit.python.facts import Did
from tollway.audit.python.modules import Function, Module
from tollway.audit.python.sqltext import Place, SqlCall, SqlWrite, looks_like_sql, read
from tollway.audit.python.values import Text, Texts
from tollway.audit.python.world import Frame, World, called_name

NOISE = re.compile(
    r"^(?:debug|info|warn|warning|error|exception|critical|log|print|echo|secho|fail|skip|deprecated|warn_explicit|add_argument|add_parser|_|gettext)$"
)
SURE = re.compile(r"\b(?:where|values|set|select|returning|using|default)\b|;\s*\Z", re.IGNORECASE)


def strays(world: World, module: Module) -> None:
    """Record what the unsent strings of one file would do."""
    for routine, node in _strings(module):
        evaluator = Evaluator(world, Frame(routine, module))
        value = evaluator.value(node)
        for text in value.options if isinstance(value, Texts) else ():
            if any(p.source in world.consumed for p in text.pieces) or not looks_like_sql(text):
                continue
            _record(world, module, routine, node, text)


def _record(world: World, module: Module, routine: str, node: ast.expr, text: Text) -> None:
    reading = read(text)
    if not reading.parsed or not SURE.search(reading.rendered):
        return
    for fact in reading.facts:
        wanted = isinstance(fact, SqlWrite) or (isinstance(fact, SqlCall) and fact.name.lower() in world.sql_functions)
        if wanted:
            place = fact.place or Place(module.path, node.lineno, node.col_offset)
            world.record.did[Did(routine, fact, place, ("never seen sent",), False)] = None


def _strings(module: Module) -> Iterator[tuple[str, ast.expr]]:
    yield from _inside(module, module.tree, f"{module.name}:<module>", "")


def _inside(module: Module, parent: ast.AST, routine: str, prefix: str) -> Iterator[tuple[str, ast.expr]]:
    for child in ast.iter_child_nodes(parent):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring
        if isinstance(child, ast.Raise | ast.Assert):
            continue  # a message
        if isinstance(child, ast.Call) and NOISE.match(called_name(child)):
            continue
        if isinstance(child, ast.JoinedStr) or (isinstance(child, ast.Constant) and isinstance(child.value, str)):
            yield routine, child
        elif isinstance(child, Function | ast.ClassDef):
            inner = f"{prefix}{child.name}"
            yield from _inside(module, child, f"{module.name}:{inner}" if isinstance(child, Function) else routine, f"{inner}.")
        else:
            yield from _inside(module, child, routine, prefix)
