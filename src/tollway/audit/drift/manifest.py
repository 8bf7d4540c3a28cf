"""The manifest: what a database has, by name, with the statement that makes each thing again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tollway.audit.errors import ConfigError
from tollway.audit.live import Connection

VERSION = 1
_SYSTEM = "n.nspname !~ '^(pg_|information_schema$)' and n.nspname <> 'cron'"
_EXTENSION = "not exists (select from pg_depend x where x.classid = '{0}'::regclass and x.objid = {1} and x.deptype = 'e')"
_TRIGGERS = f"""
select format('%I on %I.%I', g.tgname, n.nspname, c.relname), pg_get_triggerdef(g.oid),
       format('alter table %I.%I %s trigger %I', n.nspname, c.relname,
         case g.tgenabled when 'O' then 'enable' when 'D' then 'disable' when 'A' then 'enable always' else 'enable replica' end, g.tgname)
from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
where not g.tgisinternal and g.tgparentid = 0 and {_SYSTEM} and {_EXTENSION.format("pg_class", "c.oid")}"""
_FUNCTIONS = f"""
select format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), pg_get_functiondef(p.oid)
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.prokind in ('f', 'p') and {_SYSTEM} and {_EXTENSION.format("pg_proc", "p.oid")}"""
_GRANTS = f"""
select format('%s on table %I.%I to %s', lower(a.privilege_type), n.nspname, c.relname, coalesce(r.rolname::text, 'public'))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a on a.grantee <> c.relowner left join pg_roles r on r.oid = a.grantee
where c.relkind in ('r', 'p', 'v') and {_SYSTEM} and {_EXTENSION.format("pg_class", "c.oid")}
union all
select format('%s on routine %I.%I(%s) to %s', lower(a.privilege_type), n.nspname, p.proname, pg_get_function_identity_arguments(p.oid),
  coalesce(r.rolname::text, 'public'))
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a on a.grantee <> p.proowner left join pg_roles r on r.oid = a.grantee
where p.prokind in ('f', 'p') and {_SYSTEM} and {_EXTENSION.format("pg_proc", "p.oid")}"""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Triggers by name: (definition, switch); functions by signature: definition; grants as they are written."""

    triggers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)
    grants: Sequence[str] = ()

    def text(self) -> str:
        """The file. Each function has its hash beside its text, so that a reader of a diff sees what changed."""
        functions = {n: {"hash": digest(d), "definition": d} for n, d in sorted(self.functions.items())}
        triggers = {n: {"definition": t[0], "switch": t[1]} for n, t in sorted(self.triggers.items())}
        told = {"version": VERSION, "triggers": triggers, "functions": functions, "grants": sorted(self.grants)}
        return json.dumps(told, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, file: Path) -> Manifest:
        """A manifest that `tollway audit manifest` wrote.

        Raises:
            ConfigError: no such file, not a manifest, or edited by hand so that a hash is wrong.
        """
        hint = "write it anew: tollway audit manifest --dsn ..."
        try:
            told = json.loads(file.read_text("utf-8"))
            if told["version"] != VERSION:
                raise ConfigError(f"{file}: manifest version {told['version']}, this auditor reads {VERSION}", hint)
            wrong = [name for name, f in told["functions"].items() if digest(f["definition"]) != f["hash"]]
            triggers = {name: (t["definition"], t["switch"]) for name, t in told["triggers"].items()}
            functions = {name: str(f["definition"]) for name, f in told["functions"].items()}
            grants = tuple(told["grants"])
        except OSError as error:
            raise ConfigError(f"{file}: {error.strerror}", hint) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ConfigError(f"{file}: no manifest: {error}", hint) from error
        if wrong:
            raise ConfigError(f"{file}: the hash of {wrong[0]} is not its text's", hint)
        return cls(triggers, functions, grants)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def take(connection: Connection) -> Manifest:
    """The manifest of a database as it is now."""
    with connection.transaction():
        connection.execute("set local search_path = pg_catalog")
        triggers = {name: (definition, switch) for name, definition, switch in connection.execute(_TRIGGERS).fetchall()}
        functions = {str(name): str(definition) for name, definition in connection.execute(_FUNCTIONS).fetchall()}
        grants = tuple(sorted(str(grant) for (grant,) in connection.execute(_GRANTS).fetchall()))
    return Manifest(triggers, functions, grants)
