"""BP015: a role may write a state table directly."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.parse.names import same_relation
from tollway.audit.rules.example import Case

ID = "BP015"
TITLE = "A role may write a state table directly"
WHY = "The functions are the gate only for those who must use them."


def check(analysis: Analysis) -> Iterator[Finding]:
    """Grants of write privileges on a state table, unless triggers guarantee every required effect there."""
    for privilege, name, role, span in analysis.catalog.grants:
        if privilege in _WRITES and any(same_relation(s.relation, name) for s in analysis.states):
            told = f"{role} may {privilege} on {name}, a state table"
            yield Finding(
                ID,
                told,
                span,
                (),
                WHY,
                f"revoke {privilege} on {name} from {role}; grant EXECUTE on functions",
                f"{role}|{privilege}|{name}",
            )


_WRITES = frozenset({"insert", "update", "delete", "truncate", "all"})


# The page of this rule, and its test.
MEND = "Revoke the privilege and grant EXECUTE on functions that do the whole change."
BLIND = "Grants in files only, or of a live database with `--dsn`; memberships of roles are not followed, nor the owner and superusers."
BAD_CASE = Case(
    """\
grant select, update on shop.orders to web;
""",
)
GOOD_CASE = Case(
    """\
grant select on shop.orders to web;
grant execute on function shop.pay(bigint) to web;
""",
)
