"""`tollway verify`: every invariant, derived again; a line for each disagreement."""

from __future__ import annotations

from dataclasses import asdict

import orjson

from tollway.cli.database import open_database
from tollway.cli.options import Dsn, Json
from tollway.cli.output import FAILED, OK, emit, say
from tollway.cli.progress import working
from tollway.client import Client


def verify(dsn: Dsn = None, as_json: Json = False) -> int:
    """Re-derive every record and check every invariant with absurd.verify(). Exit code 1: violations, a line each."""
    with open_database(dsn) as connection, working("deriving every record again"):
        violations = Client(connection).verify()
    for violation in violations:
        if as_json:
            emit(asdict(violation))
        else:
            where = violation.task_id or violation.queue_name or "-"
            say(f"{violation.invariant}  {where}  {orjson.dumps(violation.detail, default=str).decode()}")
    if not as_json:
        say(f"{len(violations)} violations" if violations else "verified: no violations")
    return FAILED if violations else OK
