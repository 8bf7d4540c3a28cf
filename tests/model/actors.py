"""The same calls by three doors: the synchronous client, the asynchronous one, and SQL in a role that may execute it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from fixtures.database import Database
from model.world import Refused
from sql.helpers import T0
from tollway.client import AsyncClient, Client
from tollway.errors import TollwayError

WORKER, CLIENT, OPERATOR = "tollway_worker", "tollway_client", "tollway_operator"


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else T0 + timedelta(seconds=seconds)


class Door:
    """One way in. Every method answers in plain values, or raises Refused with the SQLSTATE."""

    name: str

    def call(self, role: str, function: str, /, *arguments: Any) -> list[Any]:
        """`select * from absurd.function(arguments)`; a dict or list is JSON."""
        raise NotImplementedError


class Sql(Door):
    """Raw SQL, in the role that may execute the function."""

    name = "sql"

    def __init__(self, db: Database) -> None:
        self.conn = db.connect()

    def call(self, role: str, function: str, /, **given: Any) -> list[Any]:  # type: ignore[override]
        names = ", ".join(f"p_{name} => %s::{_cast(name)}" for name in given)
        values = [json.dumps(v, default=str) if _cast(n) == "jsonb" else v for n, v in given.items()]
        self.conn.execute(f"set role {role}")
        try:
            return self.conn.execute(f"select * from absurd.{function}({names})", values).fetchall()
        except psycopg.Error as error:
            raise Refused(error.sqlstate or repr(error)) from error
        finally:
            self.conn.execute("reset role")


JSON_ARGUMENTS = {"params", "options", "state", "reason", "payload", "claims", "request"}
TYPES = {"wake_at": "timestamptz", "retry_at": "timestamptz", "task_id": "uuid", "run_id": "uuid", "owner_run": "uuid"}
NUMBERS = {"claim_epoch": "bigint", "parent_epoch": "bigint", "retryable": "boolean"}


def _cast(name: str) -> str:
    if name in JSON_ARGUMENTS:
        return "jsonb"
    if name in ("claim_timeout", "qty", "timeout", "extend_by", "extend_claim_by", "ttl_seconds"):
        return "integer"
    return TYPES.get(name) or NUMBERS.get(name, "text")


class ByClient(Door):
    """A typed client; `run` makes a value of what a method returns."""

    def __init__(self, name: str, client: Any, run: Callable[[Any], Any]) -> None:
        self.name, self._client, self._run = name, client, run

    def ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        try:
            return self._run(getattr(self._client, method)(*arguments, **options))
        except TollwayError as error:
            raise Refused(error.sqlstate or repr(error)) from error


class Actors:
    """The three doors to one database."""

    def __init__(self, db: Database) -> None:
        self.sql = Sql(db)
        self._runner = asyncio.Runner()
        self._async = self._runner.run(psycopg.AsyncConnection.connect(db.dsn, autocommit=True))
        self._clients = {
            "client": ByClient("client", Client(db.connect()), lambda value: value),
            "async": ByClient("async", AsyncClient(self._async), self._runner.run),
        }

    def close(self) -> None:
        self._runner.run(self._async.close())
        self._runner.close()

    def spawn(self, door: str, queue: str, options: dict[str, Any], epoch: int | None) -> tuple[UUID, int, bool]:
        if door == "sql":
            row = self.sql.call(CLIENT, "spawn_task", queue_name=queue, task_name="work", params=1, options=options, parent_epoch=epoch)[0]
            return row[0], row[2], row[3]
        made = self._clients[door].ask(
            "spawn_task", queue, "work", 1, {k: str(v) if isinstance(v, UUID) else v for k, v in options.items()}, parent_epoch=epoch
        )
        return made.task_id, made.attempt, made.created

    def cancel(self, door: str, queue: str, task: UUID) -> None:
        if door == "sql":
            self.sql.call(CLIENT, "cancel_task", queue_name=queue, task_id=task)
        else:
            self._clients[door].ask("cancel_task", queue, task)

    def retry(self, door: str, queue: str, task: UUID, most: int | None) -> int:
        if door == "sql":
            options = {} if most is None else {"max_attempts": most}
            return int(self.sql.call(OPERATOR, "retry_task", queue_name=queue, task_id=task, options=options)[0][2])
        return int(self._clients[door].ask("retry_task", queue, task, max_attempts=most).attempt)

    def claim(self, door: str, queue: str, worker: str, lease: int, qty: int) -> list[Any]:
        if door == "sql":
            rows = self.sql.call(WORKER, "claim_tasks", queue_name=queue, worker_id=worker, claim_timeout=lease, qty=qty)
            return [(r[1], r[2], r[10], r[8], r[9]) for r in rows]
        claimed = self._clients[door].ask("claim_tasks", queue, worker, lease=lease, qty=qty)
        return [(t.task_id, t.attempt, t.claim_epoch, t.wake_event, t.event_payload) for t in claimed]

    def complete(self, door: str, queue: str, run: UUID, result: Any, epoch: int | None) -> None:
        if door == "sql":
            self.sql.call(WORKER, "complete_run", queue_name=queue, run_id=run, state=result, claim_epoch=epoch)
        else:
            self._clients[door].ask("complete_run", queue, run, result, epoch=epoch)

    def fail(self, door: str, queue: str, run: UUID, reason: Any, retry_at: float | None, epoch: int | None, retryable: bool) -> None:
        when = at(retry_at)
        if door == "sql":
            given = {"queue_name": queue, "run_id": run, "reason": reason, "retry_at": when, "claim_epoch": epoch, "retryable": retryable}
            self.sql.call(WORKER, "fail_run", **given)
        else:
            self._clients[door].ask("fail_run", queue, run, reason, retry_at=when, epoch=epoch, retryable=retryable)

    def schedule(self, door: str, queue: str, run: UUID, moment: float, epoch: int | None) -> None:
        if door == "sql":
            self.sql.call(WORKER, "schedule_run", queue_name=queue, run_id=run, wake_at=at(moment), claim_epoch=epoch)
        else:
            self._clients[door].ask("schedule_run", queue, run, at(moment), epoch=epoch)

    def extend(self, door: str, queue: str, run: UUID, seconds: int, epoch: int | None) -> None:
        if door == "sql":
            self.sql.call(WORKER, "extend_claim", queue_name=queue, run_id=run, extend_by=seconds, claim_epoch=epoch)
        else:
            self._clients[door].ask("extend_claim", queue, run, seconds, epoch=epoch)

    def checkpoint(
        self, door: str, queue: str, task: UUID, run: UUID, step: str, value: Any, extend: int | None, epoch: int | None
    ) -> None:
        if door == "sql":
            given = {"queue_name": queue, "task_id": task, "step_name": step, "state": value, "owner_run": run}
            self.sql.call(WORKER, "set_task_checkpoint_state", **given, extend_claim_by=extend, claim_epoch=epoch)
        else:
            self._clients[door].ask("set_task_checkpoint_state", queue, task, step, value, run, extend_claim_by=extend, epoch=epoch)

    def await_event(
        self, door: str, queue: str, task: UUID, run: UUID, step: str, event: str, timeout: int | None, epoch: int | None
    ) -> tuple[bool, Any]:
        if door == "sql":
            given = {"queue_name": queue, "task_id": task, "run_id": run, "step_name": step, "event_name": event, "timeout": timeout}
            return tuple(self.sql.call(WORKER, "await_event", **given, claim_epoch=epoch)[0])
        answer = self._clients[door].ask("await_event", queue, task, run, step, event, timeout=timeout, epoch=epoch)
        return answer.should_suspend, answer.payload

    def emit(self, door: str, queue: str, event: str, payload: Any) -> None:
        if door == "sql":
            self.sql.call(CLIENT, "emit_event", queue_name=queue, event_name=event, payload=payload)
        else:
            self._clients[door].ask("emit_event", queue, event, payload)

    def many(self, door: str, function: str, queue: str, claims: list[tuple[UUID, int]], *seconds: int) -> list[str]:
        """heartbeat or release_claims: the statuses, in the order of the claims."""
        if door == "sql":
            given: dict[str, Any] = {"queue_name": queue, "claims": [{"task_id": str(t), "epoch": e} for t, e in claims]}
            rows = self.sql.call(WORKER, function, **given, **({"extend_by": seconds[0]} if seconds else {}))
            return _in_order(claims, rows)
        answered = self._clients[door].ask(function, queue, claims, *seconds)
        return _in_order(claims, [(a.task_id, a.status) for a in answered])

    def cleanup(self, door: str, function: str, queue: str, ttl: int) -> int:
        if door == "sql":
            return int(self.sql.call(OPERATOR, function, queue_name=queue, ttl_seconds=ttl)[0][0])
        return int(self._clients[door].ask(function, queue, ttl))

    def result(self, door: str, queue: str, task: UUID) -> tuple[str, Any, Any] | None:
        if door == "sql":
            rows = self.sql.call(CLIENT, "get_task_result", queue_name=queue, task_id=task)
            return tuple(rows[0][1:]) if rows else None
        found = self._clients[door].ask("get_task_result", queue, task)
        return None if found is None else (found.state, found.result, found.failure_reason)

    def sync(self, door: str, request: dict[str, Any]) -> Any:
        if door == "sql":
            return self.sql.call(WORKER, "worker_sync", request=request)[0][0]
        return self._clients[door].ask("worker_sync", json.dumps(request, default=str))


def _in_order(claims: list[tuple[UUID, int]], rows: list[Any]) -> list[str]:
    statuses = dict(rows)
    return [statuses[task] for task, _ in claims]
