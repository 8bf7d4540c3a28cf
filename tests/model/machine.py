"""The state machine that hypothesis drives: each rule makes one call by some door, and the world makes it too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition

from fixtures.database import Database
from model.actors import Actors
from model.coverage import Coverage
from model.history import History
from model.observe import Seen, differences
from model.sync import SyncedCalls
from model.world import Refused, Task
from sql.helpers import T0, at

NUMBER = st.integers(0, 999)
DOOR = st.sampled_from(["client", "async", "sql"])
VALUES = (1, "x", {"a": [1]}, None)
STEPS, EVENTS = ("s1", "s2", "s3"), ("e1", "e2", "e3", "e4", "e5", "e6", "e7")
Handle = tuple[str, UUID, int, int | None]
"""queue, task, attempt, epoch"""


holding = precondition(lambda self: any(t.state == "running" for t in self.world.tasks.values()))
knowing = precondition(lambda self: bool(self.claims))
having = precondition(lambda self: bool(self.world.tasks))


def run_id(task: UUID, attempt: int) -> UUID:
    return UUID(int=task.int >> 24 << 24 | attempt)


class Machine(RuleBasedStateMachine):
    """What the rules share: two queues of their own in a database that examples use one after another."""

    db: Database
    actors: Actors
    coverage: Coverage

    def __init__(self) -> None:
        super().__init__()
        self.coverage.examples += 1
        self.queues = [f"{'ab'[i]}{uuid4().hex[:12]}" for i in range(2)]
        self.db.clock.set(T0)
        for queue in self.queues:
            self.db.conn.execute("select absurd.create_queue(%s)", (queue,))
        self.world = SyncedCalls(self.db.one("select session_user"))
        self.history = History()
        self.claims: list[Handle] = []

    # -- choosing -----------------------------------------------------------------------------------------------------
    def queue(self, n: int) -> str:
        return self.queues[1 if n % 4 == 3 else 0]

    def task(self, n: int, *states: str) -> Task | None:
        """Some task in one of these states; None when there is none."""
        some = [t for t in self.world.tasks.values() if not states or t.state in states]
        return some[n % len(some)] if some else None

    def held(self, n: int, *, epoch: bool) -> Handle | None:
        """A claim that holds."""
        some = [t for t in self.world.tasks.values() if t.state == "running"]
        if not some:
            return None
        task = some[n % len(some)]
        return task.queue, task.id, task.attempt, task.epoch if epoch else None

    def stale(self, n: int) -> Handle | None:
        """A handle that holds no longer, or never did: of an ended run, an old epoch, a purged task, the other queue."""
        if not self.claims:
            return None
        kind, n = n % 6, n // 6
        over = [c for c in self.claims if not self.holds(c)]
        if kind < 3 and over:
            queue, task, attempt, epoch = over[n % len(over)]
            return queue, task, attempt, None if kind == 2 else epoch
        queue, task, attempt, epoch = self.claims[n % len(self.claims)]
        other = self.queues[1] if queue == self.queues[0] else self.queues[0]
        wrong: list[Handle] = [
            (queue, task, attempt, (epoch or 0) - 1),
            (queue, task, attempt, (epoch or 0) + 1),
            (other, task, attempt, epoch),
            (other, task, attempt, None),
            (queue, task, attempt + 1, epoch),
            (queue, uuid4(), 1, 1),
        ]
        return wrong[(n + kind) % len(wrong)]

    def holds(self, claim: Handle) -> bool:
        task = self.world.find(claim[0], claim[1])
        return task is not None and task.state == "running" and task.epoch == claim[3]

    # -- doing --------------------------------------------------------------------------------------------------------
    def both(self, rule: str, real: Callable[[], Any], model: Callable[[Any], Any]) -> Any:
        """The database's answer; the world, which is asked with it, must give the same, or refuse with the same SQLSTATE."""
        self.count(rule)
        is_, should = _answer(real), None
        should = _answer(lambda: model(is_))
        if is_ != should:
            raise AssertionError(f"{rule}: the answer is {is_!r}, should be {should!r}")
        if isinstance(is_, Word):
            self.coverage.refused[rule, is_] += 1
            return None
        return is_

    def count(self, rule: str) -> None:
        self.coverage.rules[rule] += 1
        self.coverage.steps += 1

    def wrong(self, found: list[str]) -> None:
        if found:
            raise AssertionError("\n".join(found))

    def look(self) -> None:
        """After each step: the records are as they should be, nothing contradicts what was seen, and verify() is empty."""
        seen = Seen(self.db, self.queues)
        self.wrong(self.history.check(seen))
        self.wrong(differences(self.world, seen))
        self.wrong([str(row) for row in self.db.verify()])

    def move_clock(self, seconds: int) -> None:
        self.world.now += seconds
        self.db.clock.set(at(self.world.now))

    def teardown(self) -> None:
        """Queues are dropped with all that lives in them; that, too, is a move of each task."""
        for queue in self.queues:
            self.db.conn.execute("select absurd.drop_queue(%s)", (queue,))
            self.world.drop(queue)
            self.look()
        self.coverage.made.update(self.world.moves)


class Word(str):
    """An SQLSTATE in the place of an answer."""

    __slots__ = ()


def _answer(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Refused as refused:
        return Word(refused.sqlstate)
