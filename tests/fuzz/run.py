"""One case: a few calls with bad arguments, then a claim and a sweep, all in a transaction that is rolled back."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg

from fixtures.database import Database
from fuzz.pools import value
from fuzz.scene import OTHER, QUEUE, Scene
from fuzz.surface import Function, declared
from sql.helpers import T0

TIMEOUT = "57014"
PARTS = ("_verify_state", "_verify_records", "_verify_workflow_run", "_verify_log")


@dataclass(frozen=True, slots=True)
class Made:
    """A call as it was sent."""

    function: Function
    role: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        given = ", ".join(f"{name} => {_short(v)}" for name, v in self.arguments.items())
        return f"set role {self.role}; select absurd.{self.function.name}({given})"


@dataclass
class Seen:
    """What the cases came to: how often each function ended in which way, and what is wrong."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def note(self, call: Made, outcome: str) -> None:
        self.outcomes.setdefault(call.function.signature, Counter())[outcome] += 1


def make_call(pick: random.Random, function: Function, scene: Scene) -> Made:
    """Arguments for a function from the pools; what has a default is left out now and then."""
    arguments = {a.name: value(pick, a.type, a.name, scene) for a in function.arguments if not (a.has_default and pick.random() < 0.4)}
    if pick.random() < 0.5:
        # a claim that holds: the rest of the arguments is what the function has to judge
        task, run, epoch = pick.choice(scene.claims)
        fits = {"p_queue_name": QUEUE, "p_task_id": task, "p_run_id": run, "p_owner_run": run, "p_claim_epoch": epoch}
        arguments = {name: fits.get(name, given) for name, given in arguments.items()}
    return Made(function, pick.choice(function.roles), arguments)


def case(db: Database, scene: Scene, functions: list[Function], seed: int, seen: Seen) -> None:
    """The case of this number: replayed by calling it again with the same seed and functions."""
    pick = random.Random(seed)
    # each function comes in turn, so that a short run leaves none out
    calls = [make_call(pick, functions[seed % len(functions)], scene)]
    calls += [make_call(pick, pick.choice(functions), scene) for _ in range(pick.choice((0, 0, 0, 1, 2)))]
    found = _play(db, scene, calls, seen)
    for _ in range(2):
        # a machine that stands still for a second is no slow statement: that one is slow each time
        if found is None or TIMEOUT not in found:
            break
        found = _play(db, scene, calls, seen)
    if found is not None:
        seen.failures.append(f"case {seed}: {found}\n  " + "\n  ".join(str(c) for c in calls))


def _play(db: Database, scene: Scene, calls: list[Made], seen: Seen) -> str | None:
    """What is wrong with these calls, or None."""
    with db.conn.transaction(force_rollback=True):
        # a lock that autovacuum holds is given up once the waiter has looked for deadlocks: before the statement's second is over
        db.conn.execute("set local deadlock_timeout = '100ms'")
        db.conn.execute("set local statement_timeout = '1s'")
        for call in calls:
            outcome, words = _send(db, call)
            seen.note(call, outcome)
            if outcome != "ok" and outcome not in declared(call.function.name):
                return f"{call.function.signature} raised {outcome}, which its header does not declare: {words}"
        return _afterwards(db, scene)


def _send(db: Database, call: Made) -> tuple[str, str]:
    """The SQLSTATE that the call ended with, or "ok"; and the error's words."""
    sent = ", ".join(f"{a.name} => %s::{a.type}" for a in call.function.arguments if a.name in call.arguments)
    try:
        with db.conn.transaction():
            db.conn.execute(f"set local role {call.role}")
            db.conn.execute(f"select * from absurd.{call.function.name}({sent})", list(call.arguments.values()))
            db.conn.execute("reset role")
    except psycopg.Error as error:
        return error.sqlstate or repr(error), f"{error.diag.message_primary} ({(error.diag.context or '').splitlines()[:3]})"
    return "ok", ""


def _afterwards(db: Database, scene: Scene) -> str | None:
    """Claim, verify, let every lease run out, sweep, verify. The bystanders must have been claimed."""
    try:
        # a savepoint each, so that the statement's error can be told
        with db.conn.transaction():
            claimed = _claim_all(db)
            dropped = db.rows("select from absurd.absurd_event_log where event = 'queue.dropped' and queue_name = %s", QUEUE)
            running = {row[0] for row in db.rows("select task_id from absurd.task where state = 'running'")}
            if lost := [] if dropped else [t for t in scene.bystanders if t not in running]:
                return f"a task that has nothing to do with it is not claimed: {lost} of {claimed}"
            # what it says of the code, which takes most of its time, is asked for once, below
            if wrong := [row for part in PARTS for row in db.rows(f"select * from absurd.{part}()")]:
                return f"verify() after the claim: {wrong}"
        with db.conn.transaction():
            db.clock.set(T0 + timedelta(days=2))
            _claim_all(db)
            _claim_all(db)
            if wrong := db.verify():
                return f"verify() after the sweep: {wrong}"
    except psycopg.Error as error:
        return f"claim, sweep or verify raised {error.sqlstate}: {error.diag.message_primary} {(error.diag.context or '').splitlines()[:6]}"
    return None


def _claim_all(db: Database) -> int:
    claimed = 0
    for queue in (QUEUE, OTHER):
        if db.rows("select from absurd.queues where queue_name = %s", queue):
            claimed += len(db.rows("select 1 from absurd.claim_tasks(%s, 'sweeper', 30, 10000)", queue))
    return claimed


def _short(v: Any) -> str:
    text = repr(v)
    return text if len(text) <= 2000 else f"{text[:200]}... ({len(text)} characters)"
