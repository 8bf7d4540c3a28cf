"""What is fuzzed: each function of schema absurd that a role of an application may execute, as the catalog has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from fixtures.database import Database
from tollway.schema.files import SQL_DIR

ROLES = ("tollway_worker", "tollway_client", "tollway_operator")
# whatever the function: no queue was named, or it is not there
COMMON = frozenset({"22004", "42P01"})
_FIELD = re.compile(r"-- (Called by|Locks|Moves|Raises|Retry)\s+(.*)")
_SQLSTATE = re.compile(r"\b(?=\w*\d)[0-9A-Z]{5}\b")


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    type: str
    has_default: bool


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    arguments: tuple[Argument, ...]
    roles: tuple[str, ...]

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(a.type for a in self.arguments)})"


def functions(db: Database) -> list[Function]:
    """All of them, in order. What has no name for an argument cannot be called by name, and fails here."""
    rows = db.rows(
        """
        select p.proname, coalesce(p.proargnames[:p.pronargs], '{}'), p.pronargdefaults,
               array(select format_type(t.id, null) from unnest(p.proargtypes) with ordinality t(id, n) order by t.n),
               array(select r from unnest(%s::text[]) r where has_function_privilege(r, p.oid, 'execute'))
        from pg_proc p
        where p.pronamespace = 'absurd'::regnamespace and p.prokind = 'f'
        order by 1, p.pronargs""",
        list(ROLES),
    )
    found = []
    for name, names, defaults, types, roles in rows:
        assert len(names) == len(types), f"{name} has arguments without a name"
        first_default = len(types) - defaults
        arguments = tuple(Argument(n, t, i >= first_default) for i, (n, t) in enumerate(zip(names, types, strict=True)))
        if roles:
            found.append(Function(name, arguments, tuple(roles)))
    return found


@cache
def declared(function: str) -> frozenset[str]:
    """The SQLSTATEs that a function may raise: those of its header, and what every function may."""
    path = SQL_DIR / "40_api" / f"{function}.sql"
    if not path.exists():
        return COMMON | HELPERS.get(function, frozenset())
    text = _raises(path.read_text())
    states = frozenset(_SQLSTATE.findall(text)) | COMMON
    for other in re.findall(r"as (\w+)", text):
        states |= declared(other)
    return states


# helpers of the cron functions, which run as their caller and so need the right to execute them
HELPERS = {"_named_queue": frozenset({"P0001"}), "_require_cron": frozenset({"P0001"})}


def _raises(source: str) -> str:
    """The header's field `Raises`, with the lines that continue it."""
    text, inside = "", False
    for line in source.splitlines():
        if not line.startswith("--"):
            break
        if found := _FIELD.match(line):
            inside = found[1] == "Raises"
            text += found[2] if inside else ""
        elif inside:
            text += " " + line.removeprefix("--").strip()
    return text
