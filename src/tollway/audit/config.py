"""The configuration: which columns are states, what each change of them owes, and what to leave out.

[tool.tollway.audit]                        # in pyproject.toml; in tollway-audit.toml without this header
paths = ["db/schema.sql"]                   # SQL, when the command line names none
python = ["src/app"]                        # packages whose SQL belongs to the project
state = ["public.orders.status", "absurd.r_*.state"]
exclude = ["*_test.sql"]
schedulers = ["jobs.run_later"]             # functions that take SQL to be run later, besides cron.schedule
placeholders = { schema = "app" }

[[tool.tollway.audit.require]]              # what every change of a state owes
effect = "audit"                            # its name in reports
insert = "app.event_log"                    # or update = "app.run.status", write = "app.run", notify = "*", call = "app.log"
for = ["absurd.r_*"]                        # only these tables; all states if absent
to = ["paid"]                               # only changes that can lead to one of these states

[[tool.tollway.audit.assume]]               # what the text cannot say; each needs a reason, and one that matches nothing is reported
routine = "app.gate"
condition = "v_moved = 0"                   # of an IF, as it is written; or relation = "app.*" and means = ["app.t_*"]
holds = false
reason = "a change of state is a move, and v_moved counts the moves"

[[tool.tollway.audit.suppress]]             # a finding that may stay; one that silences nothing, or is over, is a finding itself
fingerprint = "61d5f8a2c4e0b793"            # of the report; or rule = "BP009", narrowed by file = "db/old/*.sql"
reason = "replaced in March"
owner = "billing"                           # may be left out, and so may until
until = 2027-03-31
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tollway.audit.errors import ConfigError
from tollway.audit.model import Suppression
from tollway.audit.suppress.configured import suppressions

DEFAULT_SCHEDULERS = frozenset(
    {
        "cron.schedule",
        "cron.schedule_in_database",
        "cron.alter_job",
        "timetable.add_job",
        "dblink_exec",
        "dblink",
        "dblink_send_query",
        "pg_background_launch",
    }
)
RULE_FILES = Path(__file__).parent / "rules"
"""One file each, called as its rule: to load them all for their names would take longer than to find a kept answer."""
_KINDS = ("insert", "update", "write", "notify", "call")
_VERBS = ("insert", "update", "delete", "merge", "truncate", "copy", "drop", "detach")
_MOVE = re.compile(r"\s*\S.*?\s*->\s*\S.*")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One side effect that a change of state owes."""

    effect: str
    kind: str
    target: str
    tables: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    """Only for these verbs of the state write; all if empty."""
    states: tuple[str, ...] = ()
    """Only for writes that can set one of these states; all if empty."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """What the project says of a routine: that a condition holds, or what a computed name can mean."""

    routine: str
    reason: str
    condition: str = ""
    holds: bool = False
    relation: str = ""
    means: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule that the rows must keep: a query that returns those that break it, and the SQL that mends them, if one can."""

    name: str
    query: str
    repair: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """What the user wants checked. The empty one infers states and requires nothing."""

    paths: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    require: tuple[Requirement, ...] = ()
    assume: tuple[Assumption, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    exclude: tuple[str, ...] = ()
    schedulers: frozenset[str] = DEFAULT_SCHEDULERS
    placeholders: Mapping[str, str] = field(default_factory=dict)
    moves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The declared state machines: "public.orders.status" = ["new -> paid", ...]."""
    ignore: tuple[str, ...] = ()
    """Rule ids that are not reported."""
    suppress: tuple[Suppression, ...] = ()


def read_config(file: Path | None, folder: Path | None = None) -> Config:
    """The configuration of a file, or of tollway-audit.toml or pyproject.toml in `folder`; else the empty one.

    Raises:
        ConfigError: the file is missing or wrong; the message names the key.
    """
    if file is not None:
        return _parse(_load(file), file)
    base = folder or Path()
    for name in ("tollway-audit.toml", "pyproject.toml"):
        if (base / name).is_file():
            table = _load(base / name)
            if table:
                return _parse(table, base / name)
    return Config()


def _load(file: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}", "give --config the path of a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}", "see `tollway audit scan --help` for the keys") from error
    nested = document.get("tool", {}).get("tollway", {}).get("audit")
    if nested is not None:
        return dict(nested)
    return {} if file.name == "pyproject.toml" else document


_LISTS = ("paths", "python", "state", "exclude", "ignore", "schedulers")
_KEYS = (*_LISTS, "placeholders", "require", "assume", "invariant", "moves", "suppress")


def _parse(table: dict[str, Any], file: Path) -> Config:
    for key in table:
        if key not in _KEYS:
            raise ConfigError(f"{_at(file, key)}: unknown key {key!r}", _nearest(key, _KEYS))
    lists = {key: _strings(table, key, file) for key in _LISTS}
    for column in lists["state"]:
        if column.count(".") not in (1, 2):
            raise ConfigError(
                f"{_at(file, 'state')}: state {column!r} is not table.column or schema.table.column", 'write "public.orders.status"'
            )
    _check_rules(lists["ignore"], file)
    holders = table.get("placeholders", {})
    if not isinstance(holders, dict):
        raise ConfigError(f"{_at(file, 'placeholders')}: placeholders must be a table", 'write placeholders = { schema = "app" }')
    moves = _moves(table.get("moves", {}), file)
    given = table.get("require", [])
    if not isinstance(given, list) or not all(isinstance(r, dict) for r in given):
        raise ConfigError(f"{_at(file, 'require')}: require must be a list of tables", "write [[tool.tollway.audit.require]]")
    told = table.get("assume", [])
    if not isinstance(told, list) or not all(isinstance(a, dict) for a in told):
        raise ConfigError(f"{_at(file, 'assume')}: assume must be a list of tables", "write [[tool.tollway.audit.assume]]")
    return Config(
        paths=lists["paths"],
        python=lists["python"],
        state=lists["state"],
        require=tuple(_requirement(r, file) for r in given),
        assume=tuple(_assumption(a, file) for a in told),
        invariants=_invariants(table.get("invariant", []), file),
        exclude=lists["exclude"],
        schedulers=DEFAULT_SCHEDULERS | set(lists["schedulers"]),
        placeholders={str(k): str(v) for k, v in holders.items()},
        moves=moves,
        ignore=lists["ignore"],
        suppress=suppressions(table.get("suppress", []), file),
    )


def _moves(given: object, file: Path) -> dict[str, tuple[str, ...]]:
    hint = 'write "public.orders.status" = ["new -> paid"]'
    if not isinstance(given, dict) or not all(isinstance(m, list) for m in given.values()):
        raise ConfigError(f"{_at(file, 'moves')}: moves must be a table of lists", hint)
    for column, moves in given.items():
        if column.count(".") not in (1, 2):
            raise ConfigError(f"{_at(file, column)}: {column!r} in moves is not table.column or schema.table.column", hint)
        for move in moves:
            if not isinstance(move, str) or not _MOVE.fullmatch(move):
                raise ConfigError(f"{_at(file, column)}: {move!r} in moves is no move", hint)
    return {column: tuple(moves) for column, moves in given.items()}


def _check_rules(ignored: Sequence[str], file: Path) -> None:
    known = tuple(sorted(file.stem.upper() for file in RULE_FILES.glob("bp[0-9]*.py")))
    for rule in ignored:
        if rule not in known:
            raise ConfigError(f"{_at(file, 'ignore')}: ignore names no rule {rule!r}", _nearest(rule.upper().replace("O", "0"), known))


def _at(file: Path, key: str) -> str:
    """The file with the line of a key, or of the table that is called so; in pyproject.toml, of ours."""
    lines = file.read_text("utf-8-sig").split("\n")
    ours = next((i for i, line in enumerate(lines) if line.strip().startswith(("[tool.tollway.audit", "[[tool.tollway.audit"))), 0)
    named = re.compile(rf"""\s*(?:\[+\s*(?:[\w-]+\.)*)?["']?{re.escape(key)}["']?\s*[=.\]]""")
    found = next((i for i in range(ours, len(lines)) if named.match(lines[i])), None)
    return str(file) if found is None else f"{file}:{found + 1}"


def _strings(table: dict[str, Any], key: str, file: Path) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise ConfigError(f"{_at(file, key)}: {key} must be a list of strings", f'write {key} = ["..."]')
    return tuple(value)


def _requirement(table: dict[str, Any], file: Path) -> Requirement:
    for key in table:
        if key not in (*_KINDS, "effect", "for", "on", "to"):
            raise ConfigError(f"{_at(file, key)}: unknown key {key!r} in require", _nearest(key, (*_KINDS, "effect", "for", "on", "to")))
    kinds = [kind for kind in _KINDS if kind in table]
    if len(kinds) != 1 or not isinstance(table[kinds[0]], str):
        raise ConfigError(f"{file}: a requirement needs exactly one of {', '.join(_KINDS)}", 'write insert = "app.event_log"')
    name = table.get("effect", kinds[0])
    lists = [_strings(table, key, file) for key in ("for", "on", "to")]
    for verb in lists[1]:
        if verb not in _VERBS:
            raise ConfigError(f"{_at(file, 'on')}: {verb!r} in on is no verb of a write", _nearest(verb, _VERBS))
    return Requirement(str(name), kinds[0], table[kinds[0]], *lists)


def _invariants(given: object, file: Path) -> tuple[Invariant, ...]:
    hint = "write [[tool.tollway.audit.invariant]] with name and query, and repair if there is one"
    if not isinstance(given, list):
        raise ConfigError(f"{_at(file, 'invariant')}: invariant must be a list of tables", hint)
    found: list[Invariant] = []
    for table in given:
        if not isinstance(table, dict) or not {"name", "query"} <= set(table) <= {"name", "query", "repair"}:
            raise ConfigError(f"{file}: an invariant has name and query, and may have repair", hint)
        found.append(Invariant(**{key: str(value) for key, value in table.items()}))
    return tuple(found)


def _assumption(table: dict[str, Any], file: Path) -> Assumption:
    given = {key: table.get(key, "") for key in ("routine", "reason", "condition", "relation")}
    means, holds = _strings(table, "means", file), table.get("holds")
    for key in table:
        if key not in (*given, "means", "holds"):
            raise ConfigError(f"{_at(file, key)}: unknown key {key!r} in assume", _nearest(key, (*given, "means", "holds")))
    whole = all(isinstance(v, str) for v in given.values()) and given["routine"] and given["reason"]
    decides = given["condition"] and isinstance(holds, bool) and not given["relation"] and not means
    narrows = given["relation"] and means and not given["condition"] and holds is None
    if not whole or not (decides or narrows):
        hint = "an assumption has routine, reason, and either condition and holds (true or false), or relation and means (a list)"
        raise ConfigError(f"{file}: assume {given['routine'] or ''} is not complete", hint)
    return Assumption(**given, holds=bool(holds), means=means)


def _nearest(key: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(key, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
