"""One claimed task, from its handler's first line to the operation that ends the run.

Each of the four ends is one hand-over to group commit and has no other effect. What a move entails (status, log,
wake-ups) is the gate's business, so no path through Python, and none around it, can forget it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from concurrent.futures import Future as ThreadFuture
from functools import partial
from typing import Any

from tollway.protocol.codec import settle
from tollway.worker.group_commit import GroupCommit
from tollway.worker.reasons import reason_of
from tollway.workflow import operations
from tollway.workflow.context import Context, SyncContext
from tollway.workflow.control import Dropped, Suspended
from tollway.workflow.definition import Workflow
from tollway.workflow.journal import Journal
from tollway.workflow.operations import Answer, Operation

Claim = dict[str, Any]


class Orchestrator:
    """Runs one claim. Also the `Port` of its handler's context."""

    __slots__ = (
        "_commit", "_executor", "_journal", "_on_ending", "_pending", "_queue", "_releasing", "_task", "_workflow",
        "claim", "ending", "epoch", "task_id",
    )  # fmt: skip

    def __init__(
        self,
        claim: Claim,
        workflow: Workflow,
        commit: GroupCommit,
        *,
        queue: str,
        executor: Executor,
        on_ending: Callable[[], None],
    ) -> None:
        self.claim = claim
        self.task_id: str = claim["task_id"]
        self.epoch: int = claim["claim_epoch"]
        self.ending = False
        self._workflow = workflow
        self._commit = commit
        self._queue = queue
        self._executor = executor
        self._on_ending = on_ending
        self._journal = Journal(claim["checkpoints"])
        self._releasing = False
        self._task: asyncio.Task[None] | None = None
        self._pending: ThreadFuture[Answer] | None = None

    async def run(self) -> None:
        """Execute the handler and hand over how it ended. Raises nothing: a handler cannot harm its worker."""
        self._task = asyncio.current_task()
        try:
            try:
                if self._releasing:
                    raise asyncio.CancelledError  # noqa: TRY301 - released before it began: the same way out
                result = await self._execute()
            except Suspended as suspension:
                await self._schedule_run(suspension.operations)
            except asyncio.CancelledError as error:
                await self._unwound(error)
            except Dropped:
                return
            except BaseException as error:  # SystemExit too: a handler may not end the worker
                await self._fail_run(error)
            else:
                await self._returned(result)
        except (Dropped, asyncio.CancelledError):
            return

    def drop(self) -> None:
        """Stop the handler and report nothing: the task belongs to somebody else, or is over."""
        self._journal.dropped = True
        self._interrupt()

    def release(self) -> None:
        """Stop the handler and put the task back for others: this worker shuts down."""
        self._releasing = True
        self._interrupt()

    def hand_over(self, *ops: Operation) -> asyncio.Future[Answer]:
        return self._commit.submit(self.task_id, self.epoch, ops)

    # -- the four ends ------------------------------------------------------------------------------------------

    async def _complete_run(self, wire: Any) -> None:
        await self._end(operations.complete(wire))

    async def _fail_run(self, error: BaseException, *, retryable: bool = True) -> None:
        await self._end(operations.fail(reason_of(error), retryable=retryable))

    async def _schedule_run(self, sleeping: tuple[Operation, ...]) -> None:
        await self._end(*sleeping)

    async def _cancelled(self) -> None:
        await self._end(operations.release())

    # -- how they are reached -----------------------------------------------------------------------------------

    async def _returned(self, result: Any) -> None:
        if self._journal.suspension is not None:
            # The handler swallowed even a BaseException. It sleeps all the same.
            await self._schedule_run(self._journal.suspension.operations)
            return
        try:
            wire, _ = settle(result, f"the result of workflow {self._workflow.name!r}")
            await self._complete_run(wire)
        except Exception as error:
            # The same code would return the same value: another attempt is no cure.
            await self._fail_run(error, retryable=False)

    async def _unwound(self, error: asyncio.CancelledError) -> None:
        if self._journal.dropped:
            return
        if self._releasing:
            await self._cancelled()
        else:
            await self._fail_run(error)

    async def _end(self, *ops: Operation) -> None:
        if not ops:
            return
        if not self.ending:
            self.ending = True
            self._on_ending()
        await self._commit.submit(self.task_id, self.epoch, ops)

    # -- the handler --------------------------------------------------------------------------------------------

    async def _execute(self) -> Any:
        workflow, claim = self._workflow, self.claim
        args, kwargs = workflow.decode_arguments(claim["params"])
        identity = {
            "queue": self._queue,
            "task_id": self.task_id,
            "run_id": claim["run_id"],
            "attempt": claim["attempt"],
        }
        if workflow.is_async:
            return await workflow.fn(Context(self, self._journal, **identity), *args, **kwargs)
        loop = asyncio.get_running_loop()
        context = SyncContext(_ThreadPort(self, loop), self._journal, **identity)
        return await loop.run_in_executor(self._executor, partial(workflow.fn, context, *args, **kwargs))

    def _interrupt(self) -> None:
        if self._workflow.is_async:
            if self._task is not None:
                self._task.cancel()
            return
        # A thread cannot be stopped: it ends at its next call of the context, and keeps its slot until then.
        self._journal.dropped = True
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(Dropped())

    def submit_for_thread(self, ops: tuple[Operation, ...], answer: ThreadFuture[Answer]) -> None:
        if self._journal.dropped:
            answer.set_exception(Dropped())
            return
        self._pending = answer
        self.hand_over(*ops).add_done_callback(partial(_pass_on, answer))


class _ThreadPort:
    """The port of a handler in a thread: carries its operations to the event loop, and the answers back."""

    __slots__ = ("_loop", "_run")

    def __init__(self, run: Orchestrator, loop: asyncio.AbstractEventLoop) -> None:
        self._run = run
        self._loop = loop

    def hand_over(self, *ops: Operation) -> Answer:
        answer: ThreadFuture[Answer] = ThreadFuture()
        try:
            self._loop.call_soon_threadsafe(self._run.submit_for_thread, ops, answer)
        except RuntimeError:
            raise Dropped from None  # the loop is closed: the worker has gone, the task was released
        return answer.result()


def _pass_on(answer: ThreadFuture[Answer], settled: asyncio.Future[Answer]) -> None:
    if answer.done() or settled.cancelled():
        return
    error = settled.exception()
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(settled.result())
