"""The Python half: which SQL a program sends, which functions of the database it calls, and what it writes beside them.

Nothing is imported or run: the files are parsed with `ast`, and strings are followed as far as a reader could follow them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tollway.audit.model import Facts, Routine
from tollway.audit.python.convert import Converter
from tollway.audit.python.evaluate import parameter_values
from tollway.audit.python.modules import Project, read_project
from tollway.audit.python.stray import strays
from tollway.audit.python.walk import walk_class, walk_function, walk_module
from tollway.audit.python.world import World, find_sinks

__all__ = ["scan"]


def scan(paths: Iterable[Path | str], sql_functions: Iterable[Routine] = ()) -> Facts:
    """Read Python files and folders, and the named queries of SQL files beside them.

    Calls of SQL functions get the ids of `sql_functions`; a call of another qualified name keeps the name as written. Spans name
    files as `paths` does. A file that is not Python, or not text, becomes an Unknown. What may or may not be sent has confidence 0.5.
    """
    routines = list(sql_functions)
    project = read_project(paths)
    names = frozenset(n for r in routines for n in (r.name.lower(), r.name.lower().rpartition(".")[2]))
    world = World(project, sql_functions=names, sinks=find_sinks(project))
    _learn(world)
    _walk(project, world)
    for module in project.modules.values():
        strays(world, module)
    return Converter(project, world.record, routines).facts()


def _learn(world: World) -> None:
    """Constants of modules and classes, and what __init__ gives to self; twice, as they may need one another."""
    modules = world.project.modules.values()
    for _ in range(2):
        for module in modules:
            world.constants[module.name] = walk_module(world, module, None)
            for info in module.classes.values():
                world.constants[info.dotted] = walk_class(world, info, None)
        for info in (c for m in modules for c in m.classes.values()):
            if (init := info.methods.get("__init__")) is not None:
                walk_function(world, init, parameter_values(world, init), record=False)
        world.inlined.clear()  # what was not known in the first round may be known now


def _walk(project: Project, world: World) -> None:
    for module in project.modules.values():
        walk_module(world, module, world.record)
        for info in module.classes.values():
            walk_class(world, info, world.record)
        for function in module.functions.values():
            if function.qualname.rpartition(".")[0] not in module.functions:  # one inside another is walked with it
                walk_function(world, function, parameter_values(world, function))
