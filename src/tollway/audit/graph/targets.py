"""What a user can name: a state column, a table of states, a routine."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from tollway.audit.analysis import Analysis
from tollway.audit.errors import ConfigError
from tollway.audit.facts.states import State
from tollway.audit.model import Routine
from tollway.audit.parse.names import short


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the paths of a graph end."""

    states: tuple[State, ...] = ()
    routines: tuple[str, ...] = ()


def targets(analysis: Analysis, named: str) -> Targets:
    """The states or the routines that a name means; every state if it is empty.

    Raises:
        ConfigError: there is nothing of this name, or no state at all.
    """
    if not named:
        if not analysis.states:
            raise ConfigError("there is no state to lead to", 'name columns in the configuration: state = ["public.orders.status"]')
        return Targets(tuple(analysis.states))
    states = tuple(s for s in analysis.states if _means(named, (str(s), s.relation)))
    if states:
        return Targets(states)
    routines = routines_named(analysis, named)
    if routines:
        return Targets(routines=tuple(r.id for r in routines))
    known = [*(str(s) for s in analysis.states), *dict.fromkeys(r.name for r in analysis.facts.routines)]
    raise ConfigError(f"no state and no routine is called {named}", near(named, known, "states: " + ", ".join(known[:8])))


def routines_named(analysis: Analysis, named: str) -> list[Routine]:
    """The routines of an id, of a name with all its overloads, or of a name without its schema or module."""
    routines = list(dict.fromkeys(analysis.facts.routines))
    wanted = named.removesuffix("()")
    for key in (lambda r: (r.id,), lambda r: (r.name, r.name.removeprefix("public.")), lambda r: (short(r.name), _last(r.id))):
        found = [r for r in routines if wanted in key(r)]
        if found:
            return found
    return []


def near(named: str, known: list[str], otherwise: str) -> str:
    """A hint: the known name most like this one, also where only its last part was typed."""
    shorts = {short(_last(name)): name for name in reversed(known)}
    found = get_close_matches(named, known, 1) or [shorts[s] for s in get_close_matches(short(named), shorts, 1)]
    return f"did you mean {found[0]}?" if found else otherwise


def _means(named: str, names: tuple[str, ...]) -> bool:
    return any(named in (name, name.removeprefix("public."), name.partition(".")[2]) for name in names)


def _last(name: str) -> str:
    """The function's own name in a Python id, `package.module:Class.method`."""
    return name.rpartition(":")[2].rpartition(".")[2].split("/")[0]
