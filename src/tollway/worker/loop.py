"""The worker: many tasks at once, and a slot that becomes free is filled at once.

claims  <- GroupCommit (a connection with one call in flight, and one for claims where many tasks run)  <- operations of all runs
Leases  (own thread and connection) keeps the claims alive, and says which were lost
Wakeup  (own connection) says when to look for work while there was none
Upkeep  (a connection an hour) has the log's partitions made ahead
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import orjson
import psycopg

from tollway.worker.collection import spared
from tollway.worker.connection import LOST, Link
from tollway.worker.group_commit import APART_FROM, GroupCommit
from tollway.worker.hooks import register_hooks
from tollway.worker.lease import Held, Leases
from tollway.worker.line import Line
from tollway.worker.options import WorkerOptions
from tollway.worker.orchestrator import Claim, Orchestrator
from tollway.worker.shutdown import Signals
from tollway.worker.unknown import UnknownNames
from tollway.worker.upkeep import Upkeep
from tollway.worker.wakeup import Wakeup
from tollway.workflow import operations
from tollway.workflow.business import Business
from tollway.workflow.connect import first_line
from tollway.workflow.definition import Registry
from tollway.workflow.services import Services

C = TypeVar("C", bound=GroupCommit)

log = logging.getLogger("tollway.worker")

UNWIND_SECONDS = 2.0
"""How long handlers that were told to stop may take to unwind before their tasks are released."""
RELEASE_SECONDS = 5.0
"""How long giving them back may take: somebody may hold the whole table, or the server may not answer."""
RELEASE = "select task_id, status from absurd.release_claims(%s, %s::text::jsonb)"


class Worker:
    """Runs the tasks of one queue until it is told to stop.

    It does not end because of the database: it reconnects. Nor because of a task: that fails alone.
    """

    def __init__(self, registry: Registry, dsn: str, options: WorkerOptions) -> None:
        self.options = options
        self.instance: UUID = uuid4()
        self.name = options.name or f"{socket.gethostname()}:{os.getpid()}"
        self._registry = registry
        self._link = Link(dsn, "worker")
        self._claims_link = Link(dsn, "worker claims")
        self._commit = self._group_commit(GroupCommit, Line(self._claims_link) if options.concurrency >= APART_FROM else None)
        self._leases = Leases(dsn, queue=options.queue, lease=options.lease, lost=self._lost)
        self._wakeup = Wakeup(dsn, queue=options.queue, instance=self.instance, poll=self._look)
        self._upkeep = Upkeep(dsn)
        self._services = Services(registry, Business(dsn, registry.connect))
        self._executor = ThreadPoolExecutor(options.concurrency, thread_name_prefix="tollway-sync")
        self._unknown = UnknownNames()
        self._waiting: deque[Orchestrator] = deque()
        self._running: dict[asyncio.Task[None], Orchestrator] = {}
        self._ending = 0
        self._more = False
        self._ended_since = False
        """A run has ended since the last claim began: what it left, a child or its retry, may have come after that claim's look."""
        self._draining = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._nothing_left = asyncio.Event()

    def _group_commit(self, kind: type[C], claims_apart: Line | None = None) -> C:
        return kind(
            Line(self._link),
            claims_apart=claims_apart,
            queue=self.options.queue,
            worker=self.name,
            instance=self.instance,
            version=self.options.version,
            lease=self.options.lease,
            remember=not self.options.once,  # who ends when there is nothing has to look everywhere
            wanted=self._begin_claim,
            claimed=self._claimed,
        )

    # -- from outside -------------------------------------------------------------------------------------------

    async def run(self, *, signals: bool = False) -> None:
        """Work until `drain` is called; with `options.once`, until the queue has nothing due.

        `signals`: the process is this worker's own. SIGTERM and SIGINT drain it, and what is alive now is left out of garbage collections.
        """
        loop = asyncio.get_running_loop()
        self._leases.start(loop)
        sender = asyncio.create_task(self._commit.run(), name="tollway group commit")
        besides = {
            asyncio.create_task(self._wakeup.run(), name="tollway wake-up"),
            asyncio.create_task(self._upkeep.run(), name="tollway upkeep"),
        }
        log.info(
            "worker %s takes tasks of queue %s: %s",
            self.name,
            self.options.queue,
            ", ".join(self._registry.names()) or "no workflow is registered",
        )
        try:
            if signals:
                with Signals(self), spared():
                    await self._work(sender)
            else:
                await self._work(sender)
        finally:
            await self._shut_down(sender, besides)

    def drain(self) -> None:
        """Take nothing new; `run` ends when what runs has ended, or when the grace period is over."""
        self._draining.set()
        self._give_back_waiting()
        self._check_if_empty()

    def hurry(self) -> None:
        """Stop handlers now and release their tasks."""
        self._draining.set()
        self._hurrying.set()

    @property
    def running(self) -> int:
        """How many tasks this worker holds, waiting ones included."""
        return len(self._running) + len(self._waiting)

    # -- claiming -----------------------------------------------------------------------------------------------

    def _wanted(self) -> int:
        """Free slots and a little more, so that a slot never waits for a round trip.

        A run whose last operation rides in the very call that claims is not counted.
        """
        if self._draining.is_set():
            return 0
        taken = len(self._running) - self._ending + len(self._waiting)
        return self.options.concurrency + self.options.prefetch - taken

    def _begin_claim(self) -> int:
        self._ended_since = False
        return self._wanted()

    def _look(self) -> None:
        if self._draining.is_set():
            return
        if self._wanted() > 0:
            self._commit.claim_soon()
        else:
            self._more = True  # perhaps: the next slot that becomes free looks

    def _claimed(self, claims: list[Claim], more: bool, due_in: float | None) -> None:
        self._more = more
        for claim in claims:
            self._take(claim)
        if self._draining.is_set():
            self._give_back_waiting()  # claimed by the call that was in flight; what runs here may take long to end
        self._fill_slots()
        if more:
            self._wakeup.busy()
            if self._wanted() > 0:
                self._commit.claim_soon()
        else:
            self._wakeup.idle(due_in)
            self._check_if_empty(looked=not claims and not self._ended_since)

    def _take(self, claim: Claim) -> None:
        name = claim["task_name"]
        workflow = self._registry.find(name)
        if workflow is None:
            if self._unknown.is_new(name):
                log.warning("no workflow is named %r here; its tasks are put back for other workers", name)
            delay = self._unknown.next_delay(name)
            put_back = self._commit.submit(claim["task_id"], claim["claim_epoch"], (operations.put_back(delay),))
            put_back.add_done_callback(_retrieve)
            return
        run = Orchestrator(
            claim,
            workflow,
            self._commit,
            queue=self.options.queue,
            services=self._services,
            executor=self._executor,
            on_ending=self._on_ending,
            on_sleep=self._wakeup.due,
        )
        if (older := self._leases.claim_of(run.task_id)) is not None:
            # It slept, or was released, and came back before its last run was put away: that one may do no more.
            self._stop(older)
        self._leases.hold(run)
        self._waiting.append(run)

    def _fill_slots(self) -> None:
        waiting = self._waiting
        while waiting and len(self._running) - self._ending < self.options.concurrency:
            run = waiting.popleft()
            task = asyncio.create_task(run.run(), name=f"{run.claim['task_name']} {run.task_id}")
            self._running[task] = run  # the only strong reference to it
            task.add_done_callback(self._ended)

    def _on_ending(self) -> None:
        """A handler has returned: its slot is free, though its last operation is not answered yet."""
        self._ending += 1
        self._fill_slots()
        if self._more:
            self._commit.claim_soon()

    def _ended(self, task: asyncio.Task[None]) -> None:
        run = self._running.pop(task)
        self._ended_since = True
        self._leases.let_go(run)
        if run.ending:
            self._ending -= 1
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task %s: its run could not be ended; its lease will expire", run.task_id, exc_info=error)
        self._fill_slots()
        if self._more and not self._draining.is_set():
            self._commit.claim_soon()
        else:
            self._check_if_empty(looked=False)

    def _lost(self, held: Held, reason: str) -> None:
        log.warning("task %s: %s; its handler is stopped", held.task_id, "cancelled" if reason != "lost" else "lease lost")
        self._stop(held)

    def _stop(self, held: Held) -> None:
        self._leases.let_go(held)
        for run in self._running.values():
            if run is held:
                run.drop()
                return
        for run in self._waiting:
            if run is held:
                self._waiting.remove(run)
                return

    def _give_back_waiting(self) -> None:
        while self._waiting:
            run = self._waiting.popleft()
            run.ending = True  # and held until that is answered: if it never is, it goes back with the rest
            self._commit.submit(run.task_id, run.epoch, (operations.release(),)).add_done_callback(partial(self._given_back, run))

    def _given_back(self, run: Orchestrator, answered: asyncio.Future[Any]) -> None:
        self._leases.let_go(run)
        _retrieve(answered)

    # -- stopping -----------------------------------------------------------------------------------------------

    def _check_if_empty(self, *, looked: bool = True) -> None:
        if self._running or self._waiting:
            return
        if self._draining.is_set():
            self._nothing_left.set()
        elif self.options.once:
            if looked:
                self._nothing_left.set()
            else:
                self._look()

    async def _work(self, sender: asyncio.Task[None]) -> None:
        """From the first claim on, the database knows the app's hooks."""
        if self._registry.hooks:
            registering = asyncio.create_task(register_hooks(self._link, self._registry.hooks))
            stopped = asyncio.create_task(self._draining.wait())
            await asyncio.wait({registering, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if not registering.done():
                registering.cancel()
                return
            registering.result()
        await self._until_stopped(sender)

    async def _until_stopped(self, sender: asyncio.Task[None]) -> None:
        """Until there is nothing left, the grace period is over, or somebody is in a hurry."""
        self._look()
        empty = asyncio.create_task(self._nothing_left.wait())
        hurry = asyncio.create_task(self._hurrying.wait())
        drain = asyncio.create_task(self._draining.wait())
        try:
            ends = {empty, hurry, sender}
            await asyncio.wait(ends | {drain}, return_when=asyncio.FIRST_COMPLETED)
            if not any(end.done() for end in ends):
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED, timeout=self.options.grace)
            if sender.done():
                sender.result()  # raises what ended it: a defect, never a state of the database
        finally:
            for waiter in (empty, hurry, drain):
                waiter.cancel()

    async def _shut_down(self, sender: asyncio.Task[None], besides: set[asyncio.Task[None]]) -> None:
        self._draining.set()
        self._give_back_waiting()
        for task in besides:
            task.cancel()
        await asyncio.wait(besides)
        for run in self._running.values():
            run.release()
        if self._running:
            await asyncio.wait(set(self._running), timeout=UNWIND_SECONDS)
        self._commit.close()
        await asyncio.wait({sender}, timeout=UNWIND_SECONDS)
        sender.cancel()
        await asyncio.wait({sender})
        await self._release_rest()
        for run in self._running.values():
            run.drop()
        self._leases.stop()
        await self._link.close()
        await self._claims_link.close()
        await self._services.business.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
        log.info("worker %s stopped", self.name)

    async def _release_rest(self) -> None:
        """Claims that never began, and handlers in threads, which nobody can stop; their epoch fences them."""
        left = self._leases.held()
        if not left:
            return
        claims: list[dict[str, Any]] = [{"task_id": run.task_id, "epoch": run.epoch} for run in left]
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                connection = await self._link.try_connection()
                await connection.execute(RELEASE, (self.options.queue, orjson.dumps(claims).decode()))
        except (*LOST, psycopg.Error) as error:
            log.warning("%d tasks could not be released (%s); their leases expire", len(left), first_line(error))
        else:
            log.info("released %d tasks", len(left))


def _retrieve(answered: asyncio.Future[Any]) -> None:
    """Nobody waits for this answer; if it failed, the lease expires, with the same effect."""
    if not answered.cancelled():
        answered.exception()
