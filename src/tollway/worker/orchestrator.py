"""One claimed task, from its handler's first line to the operation that ends the run.

Each of the four ends is one hand-over to group commit and has no other effect. What a move entails (status, log,
wake-ups) is the gate's business, so no path through Python, and none around it, can forget it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from queue import SimpleQueue
from typing import Any

from tollway.worker.answers import CANCELLED
from tollway.worker.group_commit import GroupCommit
from tollway.worker.reasons import reason_of
from tollway.workflow import operations
from tollway.workflow.context import Context
from tollway.workflow.control import ControlFlow, Dropped, Suspended, control_in
from tollway.workflow.definition import Workflow
from tollway.workflow.journal import SUSPENDED, Journal
from tollway.workflow.operations import Answer, Operation
from tollway.workflow.retry import FINAL, is_among
from tollway.workflow.runinfo import Identity
from tollway.workflow.services import Services
from tollway.workflow.sync_context import SyncContext

log = logging.getLogger("tollway.worker")

Claim = dict[str, Any]
Box = SimpleQueue[Answer | BaseException]
"""Where a thread waits for one answer: a future of threads does the same at ten times the cost."""


class Orchestrator:
    """Runs one claim. Also the `Port` of its handler's context."""

    __slots__ = (
        "_commit", "_executor", "_journal", "_on_ending", "_on_sleep", "_pending", "_queue", "_releasing", "_services", "_task",
        "_waits", "_workflow", "claim", "ending", "epoch", "task_id",
    )  # fmt: skip

    def __init__(
        self,
        claim: Claim,
        workflow: Workflow,
        commit: GroupCommit,
        *,
        queue: str,
        services: Services,
        executor: Executor,
        on_ending: Callable[[], None],
        on_sleep: Callable[[float], None],
    ) -> None:
        self.claim = claim
        self.task_id: str = claim["task_id"]
        self.epoch: int = claim["claim_epoch"]
        self.ending = False
        self._waits = 0
        """That are handed over and not answered, or were answered with a suspension."""
        self._workflow = workflow
        self._commit = commit
        self._queue = queue
        self._services = services
        self._executor = executor
        self._on_ending = on_ending
        self._on_sleep = on_sleep
        self._journal = self._new_journal()
        self._releasing = False
        self._task: asyncio.Task[None] | None = None
        self._pending: set[Box] = set()

    async def run(self) -> None:
        """Execute the handler and hand over how it ended. Raises nothing: a handler cannot harm its worker."""
        self._task = asyncio.current_task()
        try:
            while not await self._execution_ended():
                self._journal = self._new_journal()
        except Dropped as dropped:
            self._log_dropped(dropped)
        except asyncio.CancelledError:
            return

    def _log_dropped(self, dropped: Dropped) -> None:
        """Only where the database's answer was the first to say so: the heartbeat's word is logged where it comes in."""
        if dropped.args:
            log.warning("task %s: %s; its work is discarded", self.task_id, "cancelled" if dropped.args[0] == CANCELLED else "lease lost")

    async def _execution_ended(self) -> bool:
        """Execute once. False: what it would have waited for is there already, so it goes on at once."""
        try:
            if self._releasing:
                raise asyncio.CancelledError  # noqa: TRY301 - released before it began: the same way out
            result = await self._handler_ended()
        except Suspended as suspension:
            return await self._schedule_run(suspension)
        except asyncio.CancelledError as error:
            await self._unwound(error)
        except Dropped as dropped:
            self._log_dropped(dropped)
            return True
        except BaseException as error:  # SystemExit too: a handler may not end the worker
            await self._failed(error)
        else:
            return await self._returned(result)
        return True

    def drop(self) -> None:
        """Stop the handler and report nothing: the task belongs to somebody else, or is over."""
        self._journal.dropped = True
        self._interrupt()

    def release(self) -> None:
        """Stop the handler and put the task back for others: this worker shuts down."""
        self._releasing = True
        self._interrupt()

    def hand_over(self, *ops: Operation) -> asyncio.Future[Answer]:
        future = self._commit.submit(self.task_id, self.epoch, ops)
        if ops[-1]["op"] in operations.WAITS:
            self._waits += 1
            future.add_done_callback(self._waited)
        return future

    def _waited(self, answered: asyncio.Future[Answer]) -> None:
        if answered.cancelled() or answered.exception() is not None or answered.result()["outcome"] != SUSPENDED:
            self._waits -= 1

    @property
    def leaving(self) -> bool:
        """Whether an operation is under way, or just answered, after which this claim is over."""
        return self.ending or self._waits > 0

    # -- the four ends ------------------------------------------------------------------------------------------

    async def _complete_run(self, wire: Any) -> None:
        await self._end(operations.complete(wire))

    async def _fail_run(self, error: BaseException, *, retryable: bool) -> None:
        await self._end(operations.fail(reason_of(error), retryable=retryable))

    async def _schedule_run(self, suspension: Suspended) -> bool:
        """True: it sleeps. False: the event or the end that it waits for was there."""
        ops = suspension.operations
        if not ops:
            return True
        if ops[-1]["op"] not in operations.WAITS:
            await self._end(*ops)
            if ops[-1]["op"] == "sleep":
                self._on_sleep(ops[-1]["seconds"])
            return True
        # It may go on at once, so it keeps its slot until that is known.
        answer = await self.hand_over(*ops)
        if answer["outcome"] == SUSPENDED:
            return True
        self._journal.remember_answer(ops[-1], answer)
        self.claim["checkpoints"] = self._journal.records()
        return False

    async def _cancelled(self) -> None:
        await self._end(operations.release())

    # -- how they are reached -----------------------------------------------------------------------------------

    async def _returned(self, result: Any) -> bool:
        if self._journal.suspension is not None:
            # The handler swallowed even a BaseException. It sleeps all the same.
            return await self._schedule_run(self._journal.suspension)
        try:
            wire, _ = self._workflow.result.encode(result, f"the result of workflow {self._workflow.name!r}")
            await self._complete_run(wire)
        except Exception as error:
            # The same code would return the same value: another attempt is no cure.
            await self._fail_run(error, retryable=False)
        return True

    async def _failed(self, error: BaseException) -> None:
        await self._fail_run(error, retryable=not is_among(error, (*FINAL, *self._workflow.non_retryable)))

    async def _unwound(self, error: asyncio.CancelledError) -> None:
        if self._journal.dropped:
            return
        if self._releasing:
            await self._cancelled()
        else:
            await self._failed(error)

    def _end(self, *ops: Operation) -> asyncio.Future[Answer]:
        if not self.ending:
            self.ending = True
            self._on_ending()
        return self._commit.submit(self.task_id, self.epoch, ops)

    # -- the handler --------------------------------------------------------------------------------------------

    async def _handler_ended(self) -> Any:
        """Its result. Raises what it raised; control flow as itself, though a TaskGroup of the handler's has wrapped it."""
        try:
            return await self._execute()
        except BaseExceptionGroup as group:
            flow: ControlFlow | None = control_in(group)
            if flow is None:
                raise
            raise flow from None
        finally:
            self._journal.ended = True

    async def _execute(self) -> Any:
        workflow, claim = self._workflow, self.claim
        args, kwargs = workflow.decode_arguments(claim["params"])
        identity = Identity(
            queue=self._queue,
            task_id=self.task_id,
            run_id=claim["run_id"],
            attempt=claim["attempt"],
            epoch=self.epoch,
            workflow=workflow.name,
            deadline=claim.get("deadline"),
        )
        if workflow.is_async:
            return await workflow.fn(Context(self, identity, self._journal, self._services), *args, **kwargs)
        loop = asyncio.get_running_loop()
        context = SyncContext(_ThreadPort(self, loop), identity, self._journal, self._services)
        return await loop.run_in_executor(self._executor, partial(workflow.fn, context, *args, **kwargs))

    def _new_journal(self) -> Journal:
        return Journal(self.claim["checkpoints"], attempt=self.claim["attempt"], now=self.claim.get("now"))

    def _interrupt(self) -> None:
        if self._workflow.is_async:
            if self._task is not None:
                self._task.cancel()
            return
        # A thread cannot be stopped: it ends at its next call of the context, and keeps its slot until then.
        self._journal.dropped = True
        while self._pending:
            self._pending.pop().put(Dropped())

    def submit_for_thread(self, ops: tuple[Operation, ...], box: Box) -> None:
        if self._journal.dropped:
            box.put(Dropped())
            return
        self._pending.add(box)
        self.hand_over(*ops).add_done_callback(partial(self._pass_on, box))

    def _pass_on(self, box: Box, settled: asyncio.Future[Answer]) -> None:
        if box not in self._pending or settled.cancelled():
            return
        self._pending.remove(box)
        box.put(settled.exception() or settled.result())


class _ThreadPort:
    """The port of a handler in a thread: carries its operations to the event loop, and the answers back."""

    __slots__ = ("_loop", "_run")

    def __init__(self, run: Orchestrator, loop: asyncio.AbstractEventLoop) -> None:
        self._run = run
        self._loop = loop

    def hand_over(self, *ops: Operation) -> Answer:
        box: Box = SimpleQueue()
        try:
            self._loop.call_soon_threadsafe(self._run.submit_for_thread, ops, box)
        except RuntimeError:
            raise Dropped from None  # the loop is closed: the worker has gone, the task was released
        answer = box.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer
