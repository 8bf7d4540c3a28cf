"""Beside many operations a claim has a line of its own, and neither waits for the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import orjson
import psycopg
import pytest

from tollway.worker import Worker, WorkerOptions, group_commit
from tollway.worker.connection import Link
from tollway.worker.group_commit import APART_FROM, GroupCommit
from tollway.worker.line import Line
from tollway.workflow import Context, Tollway
from worker.harness import Database, run

Call = tuple[str, int, Any]
ANSWER = {"ops": [], "claims": [], "more": False, "marks": None, "now": "2026-01-01T00:00:00+00:00"}


class Scripted(Line):
    """Answers without a database, when it is let go on; keeps what it was asked."""

    def __init__(self, name: str, calls: list[Call]) -> None:
        super().__init__(Link("", "nobody"))
        self.name = name
        self.calls = calls
        self.free = asyncio.Event()
        self.breaks: psycopg.Error | None = None
        self.opened = True
        self.tried = 0

    async def ask(self, query: str, values: tuple[Any, ...], *, patient: bool = True) -> Any:
        request = orjson.loads(values[0])
        claim = request["claim"] and request["claim"]["qty"]
        self.calls.append((self.name, len(request["ops"]), ("again " if request["resend"] else "") + f"claim {claim}" if claim else None))
        await self.free.wait()
        if self.breaks is not None:
            raise self.breaks
        return orjson.dumps(ANSWER).decode()

    @property
    def is_open(self) -> bool:
        return self.opened

    async def open(self) -> None:
        """For ever."""
        self.tried += 1
        await asyncio.get_running_loop().create_future()


class Bench:
    """A group commit on two scripted lines."""

    def __init__(self, claimed: Callable[..., None] = lambda *_: None) -> None:
        self.calls: list[Call] = []
        self.line, self.apart = Scripted("first", self.calls), Scripted("claims", self.calls)
        self.commit = GroupCommit(
            self.line,
            claims_apart=self.apart,
            queue="q",
            worker="w",
            instance=uuid4(),
            version=None,
            lease=60,
            remember=True,
            wanted=lambda: 7,
            claimed=claimed,
        )
        self.number = 0

    def say(self, number: int) -> list[asyncio.Future[Any]]:
        """Of so many tasks an operation each."""
        first, self.number = self.number, self.number + number
        return [self.commit.submit(str(first + n), 1, ({"op": "release"},)) for n in range(number)]

    async def claiming(self) -> asyncio.Future[None]:
        """A claim beside many operations; both calls have begun."""
        self.say(APART_FROM)
        self.commit.claim_soon()
        sending = asyncio.ensure_future(self.commit.run())
        await self.until(2)
        return sending

    async def until(self, calls: int) -> None:
        while len(self.calls) < calls:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        (0, [("first", 0, "claim 7")]),
        (1, [("first", 1, "claim 7")]),
        (APART_FROM - 1, [("first", APART_FROM - 1, "claim 7")]),
        (APART_FROM, [("first", APART_FROM, None), ("claims", 0, "claim 7")]),
    ],
)
def test_a_claim_rides_in_the_call_of_a_few_operations(operations: int, expected: list[Call]) -> None:
    async def scenario() -> None:
        bench = Bench()
        said = bench.say(operations)
        bench.commit.claim_soon()
        sending = asyncio.ensure_future(bench.commit.run())
        await bench.until(len(expected))
        assert sorted(bench.calls) == sorted(expected), "both are under way, and none is answered"
        bench.line.free.set()
        bench.apart.free.set()
        await asyncio.gather(*said)
        bench.commit.close()
        await sending
        assert len(bench.calls) == len(expected)

    run(scenario())


def test_one_claim_at_a_time_and_operations_do_not_wait_for_it() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.line.free.set()
        sending = await bench.claiming()

        bench.commit.claim_soon()
        await asyncio.gather(*bench.say(3))
        await asyncio.gather(*bench.say(APART_FROM))

        assert bench.calls[2:] == [("first", 3, None), ("first", APART_FROM, None)]
        bench.apart.free.set()
        await bench.until(5)
        bench.commit.close()
        await sending
        assert bench.calls[4:] == [("first", 0, "claim 7")], "what was asked for meanwhile"

    run(scenario())


@pytest.mark.parametrize(
    ("error", "sent"), [(psycopg.OperationalError("gone"), "again claim 7"), (psycopg.errors.DeadlockDetected("rolled back"), "claim 7")]
)
def test_a_claim_whose_line_is_lost_or_refuses_it_is_sent_again_by_the_other(error: psycopg.Error, sent: str) -> None:
    async def scenario() -> None:
        claimed: list[Any] = []
        bench = Bench(lambda *answer: claimed.append(answer))
        bench.apart.breaks = error
        bench.apart.free.set()
        bench.line.free.set()
        sending = await bench.claiming()
        await bench.until(3)
        bench.commit.close()
        await sending
        assert bench.calls[2:] == [("first", 0, sent)]
        assert claimed == [([], False, None)]

    run(scenario())


def test_no_claim_waits_for_its_line_to_be_opened() -> None:
    """There may be no connection left for it, or a server that does not answer."""

    async def scenario() -> None:
        bench = Bench()
        bench.line.free.set()
        bench.apart.opened = False
        before = asyncio.all_tasks() - {asyncio.current_task()}
        sending = asyncio.ensure_future(bench.commit.run())
        for _ in range(2):
            said = bench.say(APART_FROM)
            bench.commit.claim_soon()
            await asyncio.gather(*said)
        assert bench.calls == [("first", APART_FROM, "claim 7")] * 2
        assert bench.apart.tried == 1, "it is being opened, and not for each claim"

        bench.apart.opened = True
        bench.apart.free.set()
        said = bench.say(APART_FROM)
        bench.commit.claim_soon()
        await asyncio.gather(*said)
        assert sorted(bench.calls[2:]) == [("claims", 0, "claim 7"), ("first", APART_FROM, None)]
        bench.commit.close()
        await sending
        assert asyncio.all_tasks() - {asyncio.current_task()} == before, "nobody goes on opening it"

    run(scenario())


def test_closing_waits_for_the_claim_under_way() -> None:
    """Its tasks would be this worker's, and nobody would know."""

    async def scenario() -> None:
        claimed: list[Any] = []
        bench = Bench(lambda *answer: claimed.append(answer))
        bench.line.free.set()
        sending = await bench.claiming()
        bench.commit.close()
        for _ in range(5):
            await asyncio.sleep(0)
        bench.apart.free.set()
        await sending
        assert claimed == [([], False, None)]

    run(scenario())


def test_a_defect_in_a_claim_ends_the_whole() -> None:
    async def scenario() -> None:
        def defect(*_: Any) -> None:
            raise ZeroDivisionError

        bench = Bench(defect)
        bench.line.free.set()
        bench.apart.free.set()
        sending = await bench.claiming()
        with pytest.raises(ZeroDivisionError):
            await sending

    run(scenario())


def test_who_works_once_looks_again_when_a_run_ended_during_a_look(app: Tollway, look: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What that run left behind, a child or its own retry, came after the look had found nothing."""
    monkeypatch.setattr(group_commit, "APART_FROM", 0)
    gate: list[asyncio.Event] = []

    @app.workflow
    async def child(ctx: Context) -> None: ...

    @app.workflow
    async def parent(ctx: Context) -> None:
        await gate[0].wait()
        await ctx.start_child(child, detached=True)

    class Late(Line):
        async def ask(self, query: str, values: tuple[Any, ...], *, patient: bool = True) -> Any:
            answer = await super().ask(query, values, patient=patient)
            if not orjson.loads(answer)["claims"]:
                gate[0].set()
                while worker.running:
                    await asyncio.sleep(0)
            return answer

    worker = Worker(app.registry, app.dsn, WorkerOptions(once=True, concurrency=APART_FROM))
    worker._commit._claims_line = Late(worker._claims_link)

    async def scenario() -> None:
        gate.append(asyncio.Event())
        await app.start(parent)
        await worker.run()

    run(scenario())
    assert not worker._link.is_open
    assert not worker._claims_link.is_open
    assert look.rows("select task_name, state from absurd.task order by 1") == [("child", "completed"), ("parent", "completed")]


@pytest.mark.parametrize(("concurrency", "lines"), [(APART_FROM - 1, 1), (APART_FROM, 2)])
def test_a_small_worker_has_one_connection_for_both(app: Tollway, concurrency: int, lines: int) -> None:
    worker = Worker(app.registry, app.dsn, WorkerOptions(concurrency=concurrency))

    assert sum(line is not None for line in (worker._commit._line, worker._commit._claims_line)) == lines
