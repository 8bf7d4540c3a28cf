"""What differs, each with the SQL that mends it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tollway.audit.config import Invariant
from tollway.audit.drift.manifest import Manifest
from tollway.audit.errors import ConfigError
from tollway.audit.live import Connection

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as declared. `repair` is empty where only a person can say what is right."""

    what: str
    repair: tuple[str, ...] = ()


def differences(wanted: Manifest, found: Manifest) -> list[Difference]:
    """Functions first, for triggers need them; then triggers, then grants."""
    return [*_functions(wanted, found), *_triggers(wanted, found), *_grants(wanted, found)]


def _functions(wanted: Manifest, found: Manifest) -> Iterator[Difference]:
    for name, definition in sorted(wanted.functions.items()):
        if name not in found.functions:
            yield Difference(f"function {name} is missing", (definition,))
        elif found.functions[name] != definition:
            yield Difference(f"function {name} is another than declared", (definition,))
    for name in sorted(set(found.functions) - set(wanted.functions)):
        yield Difference(f"function {name} is not declared")


def _triggers(wanted: Manifest, found: Manifest) -> Iterator[Difference]:
    for name, (definition, switch) in sorted(wanted.triggers.items()):
        here = found.triggers.get(name)
        if here is None:
            yield Difference(f"trigger {name} is missing", (definition, switch))
        elif here[0] != definition:
            yield Difference(f"trigger {name} is another than declared", (f"drop trigger {name}", definition, switch))
        elif here[1] != switch:
            yield Difference(f"trigger {name}: declared {_word(switch)}, found {_word(here[1])}", (switch,))
    for name in sorted(set(found.triggers) - set(wanted.triggers)):
        yield Difference(f"trigger {name} is not declared", (f"drop trigger {name}",))


def _word(switch: str) -> str:
    return next(w for w in ("enable always", "enable replica", "disable", "enable") if f" {w} trigger" in switch)


def _grants(wanted: Manifest, found: Manifest) -> Iterator[Difference]:
    for grant in sorted(set(found.grants) - set(wanted.grants)):
        head, _, role = grant.rpartition(" to ")
        yield Difference(f"grant {grant} is not declared", (f"revoke {head} from {_role(role)}",))
    for grant in sorted(set(wanted.grants) - set(found.grants)):
        head, _, role = grant.rpartition(" to ")
        yield Difference(f"grant {grant} is missing", (f"grant {head} to {_role(role)}",))


def _role(name: str) -> str:
    return "public" if name == "public" else '"' + name.replace('"', '""') + '"'


def broken_invariants(connection: Connection, invariants: Sequence[Invariant]) -> list[Difference]:
    """Each declared query that returns rows, with the first of them.

    Raises:
        ConfigError: a query does not run.
    """
    import psycopg

    broken: list[Difference] = []
    for invariant in invariants:
        try:
            with connection.transaction():
                connection.execute("set transaction read only")
                cursor = connection.execute(invariant.query)
                rows = cursor.fetchmany(_SHOWN)
                count = cursor.rowcount
        except psycopg.Error as error:
            raise ConfigError(f"invariant {invariant.name}: {str(error).strip()}", "it must be one SELECT that returns no rows") from error
        if rows:
            shown = "; ".join(", ".join(str(value) for value in row) for row in rows)
            told = f"invariant {invariant.name}: {count} rows: {shown}{' ...' if count > _SHOWN else ''}"
            broken.append(Difference(told, (invariant.repair,) if invariant.repair else ()))
    return broken


def render(found: Sequence[Difference]) -> str:
    """What differs as comments, and the SQL that mends it: the output is a script."""
    lines: list[str] = []
    for difference in found:
        lines.append(f"-- {difference.what}")
        lines += [f"{statement.rstrip().rstrip(';')};" for statement in difference.repair] or ["--   nothing to run: look at it"]
    lines.append(f"-- {len(found)} differences")
    return "\n".join(lines)


def repair(connection: Connection, found: Sequence[Difference]) -> None:
    """Run the repairs in one transaction.

    Raises:
        ConfigError: one does not run; nothing was changed.
    """
    import psycopg

    with connection.transaction():
        connection.execute("set local check_function_bodies = off")
        for difference in found:
            for statement in difference.repair:
                try:
                    connection.execute(statement)
                except psycopg.Error as error:
                    hint = "nothing was changed; run the repair by hand, as the owner of the schema"
                    raise ConfigError(f"{difference.what}: the repair fails: {str(error).strip()}", hint) from error
