"""`tollway verify`: every invariant, derived again; a line for each disagreement."""

from __future__ import annotations

import argparse
from typing import Any

import orjson
from psycopg.rows import dict_row

from tollway.cli.output import FAILED, OK, add_common, connect, dsn_of, emit, say

DESCRIPTION = """\
Re-derive every record and check every invariant with absurd.verify().
Exit codes: 0 nothing disagrees, 1 violations, 2 wrong usage, 3 the database could not be reached."""
QUERY = "select invariant, queue_name, task_id, detail from absurd.verify()"


def register(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = nouns.add_parser(
        "verify",
        help="check every invariant",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    with connect(dsn_of(arguments)) as connection, connection.cursor(row_factory=dict_row) as cursor:
        violations: list[dict[str, Any]] = cursor.execute(QUERY).fetchall()
    for violation in violations:
        if arguments.json:
            emit(violation)
        else:
            where = violation["task_id"] or violation["queue_name"] or "-"
            say(f"{violation['invariant']}  {where}  {orjson.dumps(violation['detail'], default=str).decode()}")
    if not arguments.json:
        say(f"{len(violations)} violations" if violations else "verified: no violations")
    return FAILED if violations else OK
