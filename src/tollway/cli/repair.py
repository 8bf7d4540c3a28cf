"""`tollway repair`: mend what is derived; first show what would be mended."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import orjson
import psycopg
import typer

from tollway.cli.database import open_database
from tollway.cli.options import Dsn, Json
from tollway.cli.output import OK, emit, say
from tollway.cli.progress import working
from tollway.client import Client


def repair(
    apply: Annotated[bool, typer.Option("--apply", help="Mend it. Without: only show what would be done.")] = False,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Mend what is derived: workflow_run rows, waits left behind, wake-ups that were missed. Each mend is logged.

    Without --apply the same repair is made and rolled back, so what is shown is exactly what would be done.
    """
    with open_database(dsn) as connection, working("repairing"), connection.transaction():
        mends = Client(connection).repair()
        if not apply:
            raise psycopg.Rollback
    for mend in mends:
        if as_json:
            emit({**asdict(mend), "applied": apply})
        else:
            say(f"{mend.action}  {mend.task_id or mend.queue_name or '-'}")
            say(f"  before {orjson.dumps(mend.before, default=str).decode()}")
            say(f"  after  {orjson.dumps(mend.after, default=str).decode()}")
    if not as_json:
        done = "mended" if apply else "to mend; nothing was changed: repeat with --apply"
        say(f"{len(mends)} {done}" if mends else "nothing to mend")
    return OK
