"""The run itself: each row of the expectation, by each actor that can make the call, in a queue of its own, committed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from matrix.actors import UTC, Acting, AsynchronousClient, ForeignSdk, NodeSdk, RawSql, Refused, SyncClient, Wrapper
from matrix.observe import Call, Sight, compare, resolve, see
from matrix.scenes import INSTANCE, SCENES, Scene
from matrix.words import Row

CHANNEL = "absurd_work"


@dataclass
class Cell:
    """One call by one actor, and what was wrong about it."""

    function: str
    row: Row
    actor: str
    queue: str
    problems: list[str] = field(default_factory=list)
    seen: tuple[str, str, str, str] = ("", "", "", "")  # state and log, workflow_run, besides, notified: for the page

    @property
    def name(self) -> str:
        return f"{self.function}, {self.row.name}, {self.actor}"


class Ear:
    """Listens on the channel of wake-ups. A call's own are those between two barriers: notifications come in commit order."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._connection.execute(f"listen {CHANNEL}")
        self._barriers = 0

    def heard(self, speaker: psycopg.Connection[Any]) -> list[str]:
        """What was said since the last barrier: names of queues."""
        self._barriers += 1
        barrier, said = f"barrier {self._barriers}", []
        speaker.execute("select pg_notify(%s, %s)", (CHANNEL, barrier))
        for notification in self._connection.notifies(timeout=20):
            if notification.payload == barrier:
                return said
            said.append(notification.payload)
        raise AssertionError("the barrier was not heard within 20 seconds")

    def close(self) -> None:
        self._connection.close()


def actors(dsn: str, sdk: Any | None, node: Path | None = None) -> list[Acting]:
    """Everybody who makes calls; without a foreign SDK when it is not there. `node` is a folder of fixtures.node.workshop."""
    ours: list[Acting] = [RawSql(dsn), Wrapper(dsn), SyncClient(dsn), AsynchronousClient(dsn)]
    return ours + ([ForeignSdk(dsn, sdk)] if sdk else []) + ([NodeSdk(dsn, node)] if node else [])


def run_matrix(dsn: str, rows: Iterable[Row], everybody: Sequence[Acting], *, verify: bool = True) -> list[Cell]:
    """All cells; verify() judges the whole database once at the end. The actors' connections are closed."""
    cells: list[Cell] = []
    admin = psycopg.connect(dsn, autocommit=True, options=UTC)
    ear = Ear(dsn)
    try:
        for row in rows:
            for function in row.functions:
                for actor in everybody:
                    if actor.offers(function) and actor.name not in row.without:
                        cell = Cell(function, row, actor.name, f"q{len(cells):05}")
                        cell.problems += _run(cell, actor, admin, ear)
                        cells.append(cell)
        if verify:
            _verify(admin, cells)
    finally:
        for closing in (*everybody, admin, ear):
            closing.close()
    return cells


def _run(cell: Cell, actor: Acting, admin: psycopg.Connection[Any], ear: Ear) -> Iterator[str]:
    row = cell.row
    scene = Scene(admin, cell.queue)
    scene.clock(0)
    scene.one("select absurd.create_queue(%s)", cell.queue)
    try:
        SCENES[row.scene](scene)
    except psycopg.Error as error:  # the engine is broken, as the controls break it: the cells are to say so
        yield f"its scene cannot be made: {error}"
        return
    scene.one("select absurd.worker_idle(%s, %s, 3600)", cell.queue, INSTANCE)
    scene.clock(10)
    maker = scene.one("select session_user")
    role = getattr(actor, "role", "") or maker
    named = getattr(actor, "application", "")
    application = f"matrix: {actor.name}" if named == "" else named
    call = Call(cell.queue, role, application, actor.via(cell.function), "", scene.tasks, maker)
    before = see(admin, cell.queue, call.ids)
    args = resolve(row.args, call)
    if isinstance(actor, RawSql) and row.refused is None:
        with suppress(Refused):  # the call below says so
            actor.act(cell.function, args, commit=False)
        for problem in compare(NOTHING, call, before, see(admin, cell.queue, call.ids), ear.heard(admin)):
            yield f"rolled back, but {problem}"
    ear.heard(admin)
    refusal = ""
    try:
        call = dataclasses.replace(call, xid=actor.act(cell.function, args))
        if row.refused:
            yield f"it was not refused, owed: {row.refused}"
    except Refused as refused:
        refusal = refused.sqlstate
        if refused.sqlstate != row.refused:
            yield f"refused with {refused.sqlstate}, owed: {row.refused}: {refused.__cause__}"
    notified = ear.heard(admin)
    after = see(admin, cell.queue, call.ids)
    cell.seen = summary(actor, refusal, before, after, {v: k for k, v in call.ids.items()}, notified)
    yield from compare(row, call, before, after, notified)


def summary(
    actor: Acting, refusal: str, before: Sight, after: Sight, labels: dict[Any, str], notified: list[str]
) -> tuple[str, str, str, str]:
    """What was seen, in short. The actor's own function is left out of the path, so that equal cells read equally."""
    told = after.log[len(before.log) :]
    moves = [f"refused: {refusal}"] if refusal else []
    for entry in told:
        path = entry["via"].removeprefix("public.by_").split(" > ", 1)[-1] if isinstance(actor, Wrapper) else entry["via"]
        move = f"{entry['from_state']} > {entry['to_state']} " if entry["from_state"] else ""
        who = labels.get(entry["task_id"], "")
        moves.append(f"{who + ': ' if who not in ('', 'task', 'new') else ''}{move}`{entry['event']}` via `{path}`")
    runs = [
        f"{label + ': ' if label not in ('task', 'new') else ''}{_told(before.workflows.get(label), row)}"
        for label, row in sorted(after.workflows.items())
        if row != before.workflows.get(label)
    ]
    runs += ["removed" for _ in before.workflows.keys() - after.workflows.keys()]
    besides = [
        f"{name} {len(have) - len(was):+d}"
        for name, have, was in (
            ("attempt", after.runs, before.runs), ("checkpoint", after.checkpoints, before.checkpoints),
            ("wait", after.waits, before.waits), ("event", after.events, before.events),
        )
        if len(have) != len(was)
    ]  # fmt: skip
    return "; ".join(moves), "; ".join(runs), ", ".join(besides), "yes" if notified else ""


def _told(was: dict[str, Any] | None, row: dict[str, Any]) -> str:
    columns = [c for c in ("started_at", "completed_at", "result", "error", "attempts", "purged_at") if was and row[c] != was[c]]
    cleared = [f"{c} cleared" if row[c] is None else c for c in columns]
    return ", ".join([row["status"] if row["purged_at"] is None else "kept", *cleared])


NOTHING = Row((), "", {})


def _verify(admin: psycopg.Connection[Any], cells: list[Cell]) -> None:
    """What verify() names goes to the cell whose queue it is; what has no queue, to all."""
    query = "select queue_name, invariant, detail::text from absurd.verify() where invariant <> 'clock_is_the_databases'"
    for queue, invariant, detail in admin.execute(query).fetchall():
        for cell in cells:
            if queue in (cell.queue, None):
                cell.problems.append(f"verify: {invariant} {detail}")
