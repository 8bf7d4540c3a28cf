"""The synchronous context: what a workflow in a thread may do durably.

GENERATED from context.py by tools/generate_sync.py: change that file.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter
from time import sleep as pause
from typing import Any, ParamSpec, TypeVar
from uuid import UUID, uuid4

from tollway.protocol.codec import settle
from tollway.workflow import operations
from tollway.workflow.body import body_sync, inside, not_a_coroutine
from tollway.workflow.control import Suspended
from tollway.workflow.definition import Workflow
from tollway.workflow.durations import Duration, aware, seconds_of
from tollway.workflow.journal import Journal
from tollway.workflow.names import check_name, result_step
from tollway.workflow.options import StartOptions, start_operation
from tollway.workflow.parallel import branch_sync, parallel_sync
from tollway.workflow.policy import NO_POLICY, Failures, StepPolicy, check_nap, policy_of
from tollway.workflow.retry import Retry
from tollway.workflow.runinfo import Identity, RunInfo, names_of
from tollway.workflow.services import Services
from tollway.workflow.sync_child import SyncChild
from tollway.workflow.transaction import Recorded, Transaction, joined
from tollway.workflow.typed import ValueType, result_type

P = ParamSpec("P")
T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item


class SyncContext(RunInfo):
    """The durable side of a workflow that runs in a thread."""

    __slots__ = ("_port",)

    def __init__(
        self, port: operations.SyncPort, identity: Identity, journal: Journal, services: Services, policy: StepPolicy = NO_POLICY
    ) -> None:
        super().__init__(identity, journal, services, policy)
        self._port = port

    def options(self, *, retry: Retry | None = None, timeout: Duration | None = None) -> SyncContext:
        """This context with a policy for the steps that are run through it.

        `retry` is for failures of the step's body alone, before the workflow's own attempts; a wait of over five
        seconds between two tries is stored and frees the slot. `timeout` is for one execution of the body.
        Example: `ctx.options(retry=Retry(max_attempts=4), timeout=10).step("charge", charge, order)`.
        """
        return SyncContext(self._port, self._identity, self._journal, self._services, self._policy.over(retry, timeout))

    # -- steps --------------------------------------------------------------------------------------------------

    def step(self, name: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn` and record its result under `name`; a later execution gets the record instead.

        The body runs at least once, its result is recorded exactly once. What is returned is what the record gives
        back, on the first execution too: by the function's return annotation, else plain JSON (a tuple comes back as
        a list).

        Raises:
            DuplicateStep: the name was used before in this attempt.
            InvalidPayload: the result does not fit its annotation, or is not JSON.
            StepTimedOut: the body ran longer than the policy's time-out.
        """
        recorded = self._enter_step(name, fn)
        result = result_type(fn)
        if recorded is not None:
            recalled: T = result.decode(recorded["state"], f"the result of step {name!r}")
            return recalled
        policy = policy_of(fn, self._policy)
        began = perf_counter()
        if policy is NO_POLICY:  # nearly every step: called right here
            token = inside.set(name)
            try:
                value = not_a_coroutine(name, fn(*args, **kwargs))
            finally:
                inside.reset(token)
        else:
            value, began = self._body(name, fn, args, kwargs, policy)
        wire, kept = result.encode(value, f"the result of step {name!r}")
        self._port.hand_over(operations.checkpoint(name, wire, (perf_counter() - began) * 1000))
        self._journal.remember(name, wire)
        settled: T = kept
        return settled

    def _body(
        self, name: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], policy: StepPolicy
    ) -> tuple[Any, float]:
        """The body's value by the step's policy, and when its last execution began."""
        failures = Failures(self._journal, name, policy.retry)
        while True:
            began = perf_counter()
            try:
                return body_sync(name, fn, args, kwargs, policy.timeout), began
            except Exception as error:
                wait = failures.wait_after(error)
            pause(wait)

    def _record(self, step: str, state: Any, duration_ms: float | None = None) -> None:
        self._port.hand_over(operations.checkpoint(step, state, duration_ms))
        self._journal.remember(step, state)

    def map(
        self,
        name: str,
        fn: Callable[[I], Any],
        items: Iterable[I],
        *,
        key: Callable[[I], object] | None = None,
        concurrency: int | None = None,
    ) -> list[Any]:
        """Run a step for each item in parallel, `concurrency` at a time (default: all), and return the results in order.

        Each item's step is named `name[0]`, `name[1]`, ...; by `key(item)` instead, if the items may change their
        order. If one fails, those that have begun are finished and recorded before its error is raised.
        """
        listed = list(items)
        steps = [partial(self.step, step, fn, item) for step, item in zip(names_of(name, listed, key), listed, strict=True)]
        return parallel_sync(self._journal, steps, concurrency)

    def gather(self, *branches: Callable[[], Any]) -> list[Any]:
        """Run branches, functions without arguments, in threads: steps, results of children, or functions of your own made of those.

        If one fails, the others go on to their end first. Waits for events and for children are waited for one
        after another, in the order of the branches; waits for a time come before them.
        """
        return parallel_sync(self._journal, [branch_sync(branch) for branch in branches])

    def transaction(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `fn(connection, ...)` in a transaction of its own that commits the step's record with the business rows.

        The connection is what the app's `connect` gives, or one of psycopg's. Its rows and the record are committed
        together, exactly once; the body may run more often, and is rolled back then. Do not commit in it.
        `start_child` (with `key=`) and `emit_event` called inside join the same commit.

        Raises:
            DuplicateStep, InvalidPayload, StepTimedOut: as `step`.
        """
        recorded = self._enter_step(name, fn)
        result = result_type(fn)
        if recorded is not None:
            return result.decode(recorded["state"], f"the result of step {name!r}")
        policy = policy_of(fn, self._policy)
        failures = Failures(self._journal, name, policy.retry)
        while True:
            began = perf_counter()
            work = self._work(name, fn, args, kwargs, policy.timeout)
            transaction = self._transaction(name, result, began)
            try:
                (wire, kept), joining, answers = transaction.run_sync(work)
                break
            except Recorded:
                for step, state in (transaction.records_sync()).items():
                    self._journal.remember(step, state)
                known = self._journal.recorded(name)
                assert known is not None
                return result.decode(known["state"], f"the result of step {name!r}")
            except Exception as error:
                wait = failures.wait_after(error)
            pause(wait)
        self._journal.remember(name, wire)
        for operation, answer in zip(joining, answers, strict=False):
            if operation["op"] == "spawn":
                self._journal.remember(operation["step"], {"task_id": answer["child"], "queue": operation["queue"]})
        return kept

    def _work(
        self, name: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], timeout: float | None
    ) -> Callable[[Any], Any]:
        def work(connection: Any) -> Any:
            return body_sync(name, fn, (connection, *args), kwargs, timeout)

        return work

    def _transaction(self, name: str, result: ValueType, began: float) -> Transaction:
        def finish(value: Any) -> tuple[operations.Operation, Any]:
            wire, kept = result.encode(value, f"the result of step {name!r}")
            return operations.checkpoint(name, wire, (perf_counter() - began) * 1000), (wire, kept)

        identity = self._identity
        return Transaction(
            self._services.business,
            queue=identity.queue,
            task_id=identity.task_id,
            run_id=identity.run_id,
            epoch=identity.epoch,
            finish=finish,
        )

    # -- values from outside ------------------------------------------------------------------------------------

    def now(self, *, name: str | None = None) -> datetime:
        """The time (UTC, the database's clock), recorded: every later execution gets the same."""
        return datetime.fromisoformat(self._value("now", name, lambda: self._journal.now().isoformat()))

    def random(self, *, name: str | None = None) -> float:
        """A random number from 0 to 1, recorded."""
        return float(self._value("random", name, random.random))

    def uuid(self, *, name: str | None = None) -> UUID:
        """A random UUID, recorded."""
        return UUID(self._value("uuid", name, lambda: str(uuid4())))

    def _value(self, kind: str, name: str | None, make: Callable[[], Any]) -> Any:
        step = self._journal.recorded_step(kind, name if name is None else check_name(kind, name))
        recorded, note = self._enter_by_order(step)
        if recorded is not None:
            return recorded["state"]["value"]
        value = make()
        self._record(step, {"value": value, **note})
        return value

    # -- waiting ------------------------------------------------------------------------------------------------

    def sleep(self, duration: Duration, *, name: str | None = None) -> None:
        """Suspend for `duration`, on the database's clock; holds no worker meanwhile.

        Sleeps without a `name` are told apart by their order; name them if later code may add one before.

        Raises:
            OrderChanged: the code was changed, and an unnamed sleep was recorded at another place.
        """
        seconds = seconds_of(duration, "the duration of a sleep")
        step = self._sleep_step(name)
        recorded, note = self._enter_by_order(step)
        if recorded is None:
            raise self._nap(step, seconds, note)
        check_nap(self._journal, recorded)

    def sleep_until(self, moment: datetime, *, name: str | None = None) -> None:
        """Suspend until `moment` (with a time zone), on the database's clock."""
        seconds = max(timedelta(0), aware(moment, "the moment to sleep until") - self._journal.now()).total_seconds()
        self.sleep(seconds, name=name)

    def wait_for_event(self, name: str, *, timeout: Duration | None = None) -> Any:
        """Suspend until the event `name` is emitted, and return its payload; at once if it was.

        Raises:
            AwaitTimedOut: `timeout` passed first. It is recorded, so every later execution raises it too.
        """
        check_name("event", name)
        seconds = None if timeout is None else seconds_of(timeout, "the timeout of an await")
        step = self._journal.event_step(name)
        recorded = self._enter(step)
        if recorded is None:
            recorded = self._wait(operations.await_event(step, name, seconds))
        return self._event_payload(name, recorded)

    def emit_event(self, name: str, payload: Any = None) -> None:
        """Emit an event of this queue and wake who waits for it. The first emission of a name wins."""
        wire, _ = settle(payload, f"the payload of event {name!r}")
        check_name("event", name)
        if (joining := joined()) is not None:
            joining.append(operations.emit(name, wire))
            return
        step = self._journal.emit_step(name)
        if self._enter(step) is None:
            self._port.hand_over(operations.emit(name, wire), operations.checkpoint(step, True))
            self._journal.remember(step, True)

    def _wait(self, operation: operations.Operation) -> operations.Answer:
        if self._journal.parallel:
            # the others run on; whether it waits at all shows when they have ended
            raise self._journal.suspend(Suspended((operation,)))
        answer = self._port.hand_over(operation)
        self._journal.remember_answer(operation, answer)
        return answer

    # -- children -----------------------------------------------------------------------------------------------

    def start_child(
        self,
        workflow: Workflow | str,
        *args: Any,
        key: str | None = None,
        kwargs: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        delay: Duration | None = None,
        start_at: datetime | None = None,
        deadline: Duration | datetime | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        retry: Retry | Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        queue: str | None = None,
        detached: bool = False,
    ) -> SyncChild:
        """Start another workflow as a child, exactly once, and go on; options as `Tollway.start`.

        Children without a `key` are told apart by their order. When this workflow fails, is cancelled or passes its
        deadline, its children that have not ended are cancelled with it, unless they are `detached`.
        """
        given = StartOptions(idempotency_key, delay, start_at, deadline, priority, max_attempts, retry, tags, queue, detached)
        known = self._services.registry.get(workflow)
        step = self._child_step(known.name, key)
        operation = start_operation(step, known, args, kwargs, given)
        if (joining := joined()) is not None:
            joining.append(operation)
            return SyncChild(self, step, known)
        recorded, _ = self._enter_by_order(step)
        if recorded is None:
            answer = self._port.hand_over(operation)
            self._journal.remember(step, {"task_id": answer["child"], "queue": operation["queue"]})
        return SyncChild(self, step, known)

    def child(self, workflow: Workflow | str, key: str) -> SyncChild:
        """The child that was started with `key`, in a transaction say. Its `id` is known once that is committed."""
        known = self._services.registry.get(workflow)
        return SyncChild(self, self._child_step(known.name, check_name("child", key)), known)

    def run_child(self, workflow: Workflow | str, *args: Any, **options: Any) -> Any:
        """Start a child and wait for its result: `start_child` (with its options), then `Child.result`."""
        return (self.start_child(workflow, *args, **options)).result()

    def _await_child(self, child: SyncChild, timeout: Duration | None) -> Any:
        seconds = None if timeout is None else seconds_of(timeout, "the timeout of an await")
        step = result_step(child.step)
        recorded = self._enter(step)
        if recorded is None:
            recorded = self._wait(operations.await_task(step, str(child.id), seconds))
        return self._child_result(child.name, child.id, child.workflow.result, recorded)
