"""`ctx.transaction`: business rows and the step's record in one commit.

The business SQL runs first and holds no lock of ours. The last statement before COMMIT locks the task's row, checks
the claim, and writes the checkpoint with the children and events of the transaction: `worker_sync`, strict. Whatever
is not right makes it raise, and so rolls the business rows back. If the commit's answer is lost, the body runs again and
meets the checkpoint, if there is one: then its rows roll back, and the record stands. So the effect is exactly once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from inspect import isawaitable
from typing import Any

import orjson
import psycopg

from tollway.errors import DatabaseUnreachable, from_database
from tollway.workflow.business import Business, is_psycopg
from tollway.workflow.connect import LOST_CLASSES
from tollway.workflow.control import Dropped
from tollway.workflow.operations import Answer, Operation

MOST_TRIES = 20
FIRST_WAIT, LONGEST_WAIT = 0.02, 2.0

LEASE_LOST, CANCELLED, RECORDED = "TW201", "AB001", "TW202"
AGAIN = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock time-out: the transaction rolled back through no fault of its own."""

SYNC = "select absurd.worker_sync(cast(cast({} as text) as jsonb))"
RECORDS = """select cast(jsonb_object_agg(checkpoint_name, state) as text)
from absurd.get_task_checkpoint_states({}, cast({} as uuid), cast({} as uuid), cast({} as bigint)) where status = 'committed'"""

_joined: ContextVar[list[Operation] | None] = ContextVar("tollway_transaction", default=None)

Work = Callable[[Any], Any]


def joined() -> list[Operation] | None:
    """What joins the commit of the transaction that this code runs in; None outside of one."""
    return _joined.get()


class Recorded(Exception):
    """The step is recorded already: by the commit whose answer was lost."""


class Transaction:
    """One transaction step. `finish` turns the body's value into the operations that record it."""

    def __init__(
        self, business: Business, *, queue: str, task_id: str, run_id: str, epoch: int, finish: Callable[[Any], tuple[Operation, Any]]
    ) -> None:
        self._business = business
        self._queue = queue
        self._task_id = task_id
        self._run_id = run_id
        self._epoch = epoch
        self._finish = finish
        self._finishing = False

    # -- asynchronous -------------------------------------------------------------------------------------------

    async def run_async(self, work: Work) -> tuple[Any, list[Operation], list[Answer]]:
        """(the value as a replay will see it, what joined, the answers to it).

        Raises:
            Recorded: an earlier commit has done it.
            Dropped: the task is no longer ours; nothing was committed.
        """
        tries = 0
        while True:
            try:
                return await self._once_async(work)
            except Exception as error:
                tries += 1
                await asyncio.sleep(wait_before_again(error, tries, finishing=self._finishing))

    async def _once_async(self, work: Work) -> tuple[Any, list[Operation], list[Answer]]:
        async with self._business.begin_async() as connection:
            self._finishing = False
            joining: list[Operation] = []
            token = _joined.set(joining)
            try:
                value = await work(connection)
            finally:
                _joined.reset(token)
            last, kept = self._finish(value)
            query, parameters = self._request(connection, [*joining, last])
            if hasattr(connection, "flush"):
                await connection.flush()
            self._finishing = True  # what the database says now is about the claim, and no longer about the body
            return kept, joining, _answers(await _row_async(connection, query, parameters))

    async def records_async(self) -> dict[str, Any]:
        """All that is recorded of the task by now, by step."""
        async with self._business.begin_async() as connection:
            return _recorded(await _row_async(connection, *self._records(connection)))

    # -- synchronous --------------------------------------------------------------------------------------------

    def run_sync(self, work: Work) -> tuple[Any, list[Operation], list[Answer]]:
        """As `run_async`."""
        tries = 0
        while True:
            try:
                return self._once_sync(work)
            except Exception as error:
                tries += 1
                time.sleep(wait_before_again(error, tries, finishing=self._finishing))

    def _once_sync(self, work: Work) -> tuple[Any, list[Operation], list[Answer]]:
        with self._business.begin_sync() as connection:
            self._finishing = False
            joining: list[Operation] = []
            token = _joined.set(joining)
            try:
                value = work(connection)
            finally:
                _joined.reset(token)
            last, kept = self._finish(value)
            query, parameters = self._request(connection, [*joining, last])
            if hasattr(connection, "flush"):
                connection.flush()
            self._finishing = True
            return kept, joining, _answers(connection.execute(query, parameters).fetchone())

    def records_sync(self) -> dict[str, Any]:
        """As `records_async`."""
        with self._business.begin_sync() as connection:
            return _recorded(connection.execute(*self._records(connection)).fetchone())

    # -- the statements -----------------------------------------------------------------------------------------

    def _request(self, connection: Any, ops: list[Operation]) -> tuple[Any, Any]:
        numbered = [{"n": n, "task_id": self._task_id, "epoch": self._epoch, **op} for n, op in enumerate(ops)]
        request = orjson.dumps({"queue": self._queue, "strict": True, "ops": numbered, "claim": None}).decode()
        return _statement(connection, SYNC, request)

    def _records(self, connection: Any) -> tuple[Any, Any]:
        return _statement(connection, RECORDS, self._queue, self._task_id, self._run_id, str(self._epoch))


def wait_before_again(error: Exception, tries: int, *, finishing: bool) -> float:
    """Seconds before the transaction is tried again; for an error of the database that says nothing about the body.

    `finishing`: the body had ended, so the error is one of the last statement or of the commit.

    Raises:
        Dropped, Recorded: what the claim check said.
        error: everything else is the body's own failure.
    """
    cause = database_error(error)
    if cause is None:
        raise error
    state = sqlstate_of(cause)
    if finishing and state in (LEASE_LOST, CANCELLED):
        raise Dropped(state) from error
    if finishing and state == RECORDED:
        raise Recorded from error
    lost = _is_lost(cause, state)
    if not lost and state not in AGAIN:
        if finishing and isinstance(cause, psycopg.Error) and (typed := from_database(cause)) is not None:
            raise typed from error
        raise error
    if tries >= MOST_TRIES:
        if not lost:
            raise error
        raise DatabaseUnreachable(f"the transaction was cut off {tries} times: {cause}", hint="the step is tried again later.") from error
    return float(min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (tries - 1)))


def database_error(error: BaseException) -> BaseException | None:
    """The driver's error: itself, or what SQLAlchemy wraps."""
    if isinstance(error, psycopg.Error):
        return error
    original = getattr(error, "orig", None)
    return original if isinstance(original, BaseException) else None


def sqlstate_of(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")


def _is_lost(error: BaseException, state: str) -> bool:
    if state:
        return state.startswith(LOST_CLASSES)
    return isinstance(error, psycopg.OperationalError)


def _statement(connection: Any, template: str, *values: str) -> tuple[Any, Any]:
    if is_psycopg(connection):
        return template.format(*("%s" for _ in values)), values
    from sqlalchemy import text  # only who brings SQLAlchemy comes here

    names = [f"p{i}" for i in range(len(values))]
    return text(template.format(*(f":{name}" for name in names))), dict(zip(names, values, strict=True))


async def _row_async(connection: Any, query: Any, parameters: Any) -> Any:
    row = (await connection.execute(query, parameters)).fetchone()
    return await row if isawaitable(row) else row  # psycopg's cursor is asynchronous, SQLAlchemy's result is not


def _recorded(row: Any) -> dict[str, Any]:
    records: dict[str, Any] = orjson.loads(row[0])
    return records


def _answers(row: Any) -> list[Answer]:
    answer: Mapping[str, Any] = row[0] if not isinstance(row[0], str) else orjson.loads(row[0])
    return list(answer["ops"])
