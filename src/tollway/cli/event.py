"""`tollway event emit`: wake who waits for an event."""

from __future__ import annotations

from typing import Annotated

import typer

from tollway.cli.database import check_queue, open_database
from tollway.cli.documents import read_document
from tollway.cli.options import Dsn, Json, Queue
from tollway.cli.output import OK, emit, note, say
from tollway.client import Client
from tollway.workflow.names import check_name

app = typer.Typer(help="Emit events.", no_args_is_help=True)
WAITING = "select count(*) from absurd.wait where queue_name = %s and event_name = %s"
MAY_LOOK = "select has_table_privilege('absurd.event', 'select') and has_table_privilege('absurd.wait', 'select')"
EMITTED = "select emitted_at from absurd.event where queue_name = %s and event_name = %s and emitted_at is not null"


@app.callback()
def group() -> None:
    """Emit events."""


@app.command("emit")
def emit_event(
    name: Annotated[str, typer.Argument(metavar="EVENT", help="The event's name.")],
    payload: Annotated[str, typer.Argument(metavar="[JSON]", help="Its payload; - reads standard input.")] = "null",
    queue: Queue = "default",
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Emit an event and wake the tasks that wait for it. The first emission wins; a second changes nothing.

    Which of them this was, and how many waited, is told to who may read: `tollway_reader`, `tollway_operator`.
    """
    check_name("event", name)
    document = read_document(payload, "the payload")
    with open_database(dsn) as connection:
        check_queue(connection, queue)
        (may_look,) = connection.execute(MAY_LOOK).fetchone() or (False,)
        if not may_look:
            Client(connection).emit_event(queue, name, document)
            return _say_sent(queue, name, as_json=as_json)
        with connection.transaction():
            before = connection.execute(EMITTED, (queue, name)).fetchone()
            waiting = int((connection.execute(WAITING, (queue, name)).fetchone() or (0,))[0])
            Client(connection).emit_event(queue, name, document)
    if as_json:
        emit({"queue": queue, "event": name, "emitted": before is None, "waiting": waiting})
    elif before is not None:
        note(f"note: {name!r} was emitted at {before[0].isoformat(timespec='seconds')} already; that payload stays")
        say("nothing changed")
    else:
        say(f"emitted {name!r} on queue {queue}; {waiting} waited for it")
    return OK


def _say_sent(queue: str, name: str, *, as_json: bool) -> int:
    if as_json:
        emit({"queue": queue, "event": name, "emitted": None, "waiting": None})
    else:
        note("note: whether it was the first, and who waited for it, is told to a login with tollway_reader")
        say(f"sent {name!r} to queue {queue}")
    return OK
