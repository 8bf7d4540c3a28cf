"""Group commit: one `worker_sync` call in flight, carrying all that gathered during the call before it.

There is no timer. An operation that finds the line free goes out at once; under load, calls grow by themselves, and
one transaction pays for hundreds of steps. A claim goes with them; when they are many, on a line of its own beside them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from psycopg import Error as DatabaseError

from tollway.errors import InvalidOption
from tollway.worker import shortest_way
from tollway.worker.answers import BUSY, OK, SKIPPED, failure_of
from tollway.worker.backoff import Backoff
from tollway.worker.connection import LOST, TRANSIENT
from tollway.worker.line import Line
from tollway.workflow.connect import first_line
from tollway.workflow.operations import Answer, Operation

log = logging.getLogger("tollway.worker")

MOST_OPERATIONS = 1000
"""In one call, so that its transaction and its row locks stay short."""
APART_FROM = 25
"""Units. A claim rides in the call of fewer, for which a call of its own would cost too much. Beside so many it goes on its own line."""
SPLIT_ABOVE = 50
"""Units. When more are under way, and nothing is to be claimed, a call carries at most half of them: tasks that would all wait for one
call take turns, one half goes on while the other is recorded. Of fewer, a second call costs more than it saves."""
BUSY_FIRST, BUSY_MOST = 0.005, 0.25
PLAIN: Answer = {"status": OK}
"""Of what a brief answer leaves out: the operation happened, and there is nothing else to say about it."""
QUERY = "select absurd.worker_sync(%s::text::jsonb)::text"


class Unit:
    """Operations of one task that apply in one transaction, with a future for the last one's answer."""

    __slots__ = ("backoff", "epoch", "future", "operations", "task_id")

    def __init__(self, task_id: str, epoch: int, operations: tuple[Operation, ...], future: asyncio.Future[Answer]):
        self.task_id = task_id
        self.epoch = epoch
        self.operations = operations
        self.future = future
        self.backoff: Backoff | None = None


class GroupCommit:
    """The only writer of a worker's state changes.

    `wanted` says how many tasks the worker could take now; `claimed` receives what came, whether there is more, and in
    how many seconds the next task becomes due, if the database said so. `remember`: let a look begin where the last one,
    which took long, said that tasks are left; it may then miss for a second what came to lie before that.
    """

    def __init__(
        self,
        line: Line,
        *,
        claims_apart: Line | None = None,
        queue: str,
        worker: str,
        instance: UUID,
        version: str | None,
        lease: int,
        remember: bool,
        wanted: Callable[[], int],
        claimed: Callable[[list[dict[str, Any]], bool, float | None], None],
    ) -> None:
        self._line = line
        self._claims_line = claims_apart
        self._claiming: asyncio.Task[None] | None = None
        """A claim under way on its own line."""
        self._opening: asyncio.Task[None] | None = None
        """That line, being opened."""
        self._queue = queue
        self._envelope = {"queue": queue, "worker": worker, "instance": str(instance), "version": version, "brief": True}
        self._lease = lease
        self._remember = remember
        self._wanted = wanted
        self._claimed = claimed
        self._gathered: deque[Unit] = deque()
        self._work = asyncio.Event()
        self._claim_due = False
        self._carried = 0
        """Units of the last call."""
        self._calls = 0
        self._marks: Any = None
        self._retries: set[asyncio.TimerHandle] = set()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, task_id: str, epoch: int, operations: tuple[Operation, ...]) -> asyncio.Future[Answer]:
        """Hand over operations that apply together; the future has the last one's answer, or raises what refused it."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._adopt(loop)
        future: asyncio.Future[Answer] = loop.create_future()
        if not self._gathered:
            self._work.set()
        self._gathered.append(Unit(task_id, epoch, operations, future))
        return future

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None:
            raise InvalidOption(
                "ctx was used in another event loop than its workflow's",
                hint="an asynchronous workflow's ctx stays in its loop: await it there, or declare the workflow with `def` to use threads.",
            )
        self._loop = loop

    def claim_soon(self) -> None:
        """Let the next call claim; if none is in flight, it goes out now."""
        self._claim_due = True
        self._work.set()

    async def run(self) -> None:
        """Send until closed and empty."""
        self._loop = asyncio.get_running_loop()
        try:
            while not (self._closing and not self._gathered and not self._retries and self._claiming is None):
                await self._work.wait()
                self._work.clear()
                if self._claiming is not None and self._claiming.done():
                    self._claiming.result()  # raises a defect, which ends this too
                    self._claiming = None
                quantity = self._due()
                apart = quantity > 0 and len(self._gathered) >= APART_FROM and self._can_claim_apart()
                units = self._take(split=not quantity)
                if apart:
                    self._claim_apart(quantity)
                    quantity = 0
                if units or quantity > 0:
                    await self._call(self._line, units, quantity)
                if self._gathered:
                    self._work.set()
        finally:
            for besides in (self._claiming, self._opening):
                if besides is not None:
                    besides.cancel()
                    await asyncio.wait({besides})

    def _due(self) -> int:
        """How many tasks are to be claimed now; one claim at a time."""
        if not self._claim_due or self._claiming is not None:
            return 0
        self._claim_due = False
        return max(0, self._wanted())

    def _can_claim_apart(self) -> bool:
        """No claim waits for its line to be opened, which may take long or be impossible: the other serves meanwhile."""
        if self._claims_line is None:
            return False
        if not self._claims_line.is_open and (self._opening is None or self._opening.done()):
            self._opening = asyncio.create_task(self._claims_line.open(), name="tollway claims line")
        return self._claims_line.is_open

    def _claim_apart(self, quantity: int) -> None:
        assert self._claims_line is not None
        self._claiming = asyncio.create_task(self._call(self._claims_line, [], quantity), name="tollway claim")
        self._claiming.add_done_callback(lambda _: self._work.set())

    def close(self) -> None:
        """End `run` once everything handed over is answered."""
        self._closing = True
        self._work.set()

    # -- one call -----------------------------------------------------------------------------------------------

    def _take(self, *, split: bool) -> list[Unit]:
        units: list[Unit] = []
        room = MOST_OPERATIONS
        gathered = self._gathered
        under_way = self._carried + len(gathered)  # those that the last call answered will soon say something again
        most = (under_way + 1) // 2 if split and under_way > SPLIT_ABOVE else under_way
        while gathered and room > 0 and len(units) < most:
            unit = gathered.popleft()
            room -= len(unit.operations)
            units.append(unit)
        self._carried = len(units)
        return units

    async def _call(self, line: Line, units: list[Unit], quantity: int) -> None:
        try:
            answer = await self._send(line, units, quantity)
        except DatabaseError as error:
            await self._isolate(units, quantity, error)
            return
        self._settle(units, answer["ops"])
        if quantity:
            self._marks = answer["marks"] if self._remember else None
            for claim in answer["claims"]:
                claim["now"] = answer["now"]
            self._claimed(answer["claims"], bool(answer["more"]), _seconds_until(answer))

    async def _send(self, line: Line, units: list[Unit], quantity: int) -> dict[str, Any]:
        """Send one request until it is answered, on another line if this one is lost.

        Raises: the database's error, if the request itself is refused.
        """
        if not quantity and await self._recorded(units):
            return {"ops": []}
        self._calls += 1
        request: dict[str, Any] = dict(self._envelope, call=self._calls, resend=False)
        request["ops"] = _numbered(units)
        request["claim"] = {"qty": quantity, "lease": self._lease, "marks": self._marks} if quantity else None
        wire = orjson.dumps(request).decode()
        backoff = Backoff(0.02, 2.0)
        while True:
            try:
                answered = await line.ask(QUERY, (wire,), patient=line is self._line)
            except TRANSIENT as error:
                log.warning("call %d was rolled back (%s); sent again", request["call"], first_line(error))
                line = self._line
                await asyncio.sleep(backoff.next())
            except LOST as error:
                # Whether it committed is unknown. The number and `resend` let the database answer as it did then.
                log.warning("connection lost (%s); call %d is sent again", first_line(error), request["call"])
                await line.close()
                line = self._line
                if request["resend"]:
                    await asyncio.sleep(backoff.next())
                request["resend"] = True
                wire = orjson.dumps(request).decode()
            else:
                answer: dict[str, Any] = orjson.loads(answered)
                return answer

    async def _recorded(self, units: list[Unit]) -> bool:
        """Steps that are all there is to say go the shortest way. False: worker_sync says what came of them."""
        shortest = shortest_way.statement(self._queue, units)
        if shortest is None:
            return False
        try:
            return await self._line.ask(*shortest, patient=False) is True
        except (*LOST, DatabaseError):
            return False  # if they were recorded all the same, worker_sync answers that they were there already

    async def _isolate(self, units: list[Unit], quantity: int, error: DatabaseError) -> None:
        """The whole request was refused: find whose fault it is, so that it costs nobody else."""
        if not units:
            log.error("claiming failed: %s", first_line(error))
            self._claimed([], False, None)
        elif len(units) == 1:
            _reject(units[0].future, error)
        else:
            log.warning("a call with %d operations was refused (%s); sent one by one", len(units), first_line(error))
            for unit in units:
                await self._call(self._line, [unit], 0)
        if units and quantity:
            self.claim_soon()

    def _settle(self, units: list[Unit], answers: list[dict[str, Any]]) -> None:
        told = {answer["n"]: answer for answer in answers}
        for unit in units:
            if told:
                self._resolve(unit, [told.get(operation["n"], PLAIN) for operation in unit.operations])
            elif not unit.future.done():  # nearly always: all of the call's operations happened
                unit.future.set_result(PLAIN)

    def _resolve(self, unit: Unit, answers: Iterable[Answer]) -> None:
        last: Answer = PLAIN
        for answer in answers:
            status = answer["status"]
            if status in (BUSY, SKIPPED):
                self._send_again(unit)
                return
            failure = failure_of(answer)
            if failure is not None:
                _reject(unit.future, failure)
                return
            last = answer
        if not unit.future.done():
            unit.future.set_result(last)

    def _send_again(self, unit: Unit) -> None:
        """Its row was locked by somebody else, or it stood behind an operation that was refused."""
        if unit.backoff is None:
            unit.backoff = Backoff(BUSY_FIRST, BUSY_MOST)

        def again() -> None:
            self._retries.discard(handle)
            self._gathered.append(unit)
            self._work.set()

        handle = asyncio.get_running_loop().call_later(unit.backoff.next(), again)
        self._retries.add(handle)


def _seconds_until(answer: dict[str, Any]) -> float | None:
    """Both times are the database's, so this machine's clock does not matter."""
    due = answer.get("next_due")
    if due is None:
        return None
    return max(0.0, (datetime.fromisoformat(due) - datetime.fromisoformat(answer["now"])).total_seconds())


def _numbered(units: list[Unit]) -> list[Operation]:
    """Their operations, each of which is told its number in this call, its task and its epoch."""
    numbered: list[Operation] = []
    for unit in units:
        for operation in unit.operations:
            operation["n"] = len(numbered)
            operation["task_id"] = unit.task_id
            operation["epoch"] = unit.epoch
            numbered.append(operation)
    return numbered


def _reject(future: asyncio.Future[Answer], failure: BaseException) -> None:
    if not future.done():
        future.set_exception(failure)
