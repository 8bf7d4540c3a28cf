"""The runs: one that nobody kills, one more to see that two are alike, then one for each moment to be killed at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from inspect import isawaitable, signature
from typing import Any
from uuid import UUID

from tollway.errors import InvalidOption, TaskFailed
from tollway.testing.bound import Bound
from tollway.testing.database import TestDatabase
from tollway.testing.driver import Driver
from tollway.testing.errors import TaskStuck
from tollway.testing.resume import replay, snapshot
from tollway.testing.resume.differences import Difference, Kind, told
from tollway.testing.resume.mortal import Fuse, MortalWorker, bury
from tollway.testing.resume.paths import Paths
from tollway.testing.resume.points import AFTER, BEFORE, Point
from tollway.testing.resume.recorder import Pins, Recorder
from tollway.testing.resume.report import Kill, ResumeReport
from tollway.testing.resume.watched import watched
from tollway.testing.waiting import later_runs
from tollway.worker import WorkerOptions
from tollway.workflow import SyncHandle
from tollway.workflow.definition import Registry

PIDS = "select pid from pg_stat_activity where datname = current_database()"
END_THE_REST = """
select pg_terminate_backend(pid, 5000) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> all (%s)"""

Callback = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Options:
    """As `Env.assert_resume_safe` describes them."""

    events: Mapping[str, Any] = field(default_factory=dict)
    setup: Callback | None = None
    check: Callback | None = None
    strict: frozenset[str] = frozenset()
    varies: frozenset[str] = frozenset()
    max_kills: int | None = None
    seconds: float = 20.0

    def __post_init__(self) -> None:
        if self.max_kills is not None and self.max_kills < 1:
            raise InvalidOption(f"max_kills is {self.max_kills}", hint="use at least 1, or None for all.")


@dataclass(frozen=True, slots=True)
class Run:
    """One run, and what is wrong with it by itself."""

    recorder: Recorder
    points: Sequence[Point]
    killed: bool
    end: snapshot.Snapshot
    values: Pins
    result: Any
    found: list[Difference]


class ResumeCheck:
    """One workflow, started by `start`, on databases that `databases` makes."""

    def __init__(
        self,
        name: str,
        start: Callable[[], SyncHandle],
        databases: Callable[[], Any],
        bound: Sequence[Bound],
        moment: datetime,
        options: Options,
    ) -> None:
        self._name = name
        self._start = start
        self._databases = databases
        self._bound = bound
        self._moment = moment
        self._options = options

    def run(self) -> ResumeReport:
        """All runs. Raises: AssertionError, at the first that is not as it should be."""
        __tracebackhide__ = True
        first = self._run({}, None, AFTER)
        self._raise_for("is wrong even if nobody kills it", first.found)
        self._check_names(first.recorder)
        second = self._run(first.values, None, AFTER)
        self._raise_for(
            "gives another outcome each time, even if nobody kills it: two runs differ",
            second.found + snapshot.compare(first.end, second.end),
        )
        moments = [(number, moment) for number in range(len(first.points)) for moment in (BEFORE, AFTER)]
        kills = [self._kill(first, number, moment) for number, moment in _spread(moments, self._options.max_kills)]
        return ResumeReport(first.result, tuple(map(str, first.points)), tuple(kills))

    def _kill(self, first: Run, number: int, moment: str) -> Kill:
        __tracebackhide__ = True
        point = first.points[number]
        run = self._run(first.values, point, moment)
        reruns = _reruns(first.recorder, run.recorder)
        found = list(run.found)
        if not run.killed:
            found.append(Difference(Kind.ORDER, f"this run never came to {point}, at which it was to be killed"))
        found += snapshot.compare(first.end, run.end)
        found += [
            Difference(Kind.STRICT, f"the body of step {step!r} ran {count} times")
            for step, count in reruns.items()
            if step in self._options.strict
        ]
        again = ", ".join(f"{step!r} ({count} times)" for step, count in reruns.items())
        where = _where(first.points, number, moment)
        self._raise_for(f"is not safe to resume\nkilled {where}" + (f"\nbodies that ran again: {again}" if again else ""), found)
        return Kill(str(point), moment, reruns)

    def _raise_for(self, what: str, found: list[Difference]) -> None:
        __tracebackhide__ = True
        if found:
            # an order that differs explains the rest; what the user's own check says is the consequence
            found.sort(key=lambda difference: list(Kind).index(difference.kind))
            raise AssertionError(f"workflow {self._name!r} {what}\n{told(found)}")

    def _check_names(self, recorder: Recorder) -> None:
        ran = {step for _, step in recorder.bodies}
        for option, names in (("strict", self._options.strict), ("varies", self._options.varies)):
            unknown = sorted(name for name in names if name not in ran and not any(step.partition("[")[0] == name for step in ran))
            if unknown:
                raise InvalidOption(f"{option} names {unknown[0]!r}", hint=f"the steps that ran: {', '.join(sorted(ran)) or 'none'}.")

    # -- one run ------------------------------------------------------------------------------------------------

    def _run(self, values: Pins, target: Point | None, moment: str) -> Run:
        with self._databases() as database:
            database.clock.set(self._moment)
            _call(self._options.setup, database)
            handle = self._start()
            recorder = Recorder(Paths(database, handle.id), values, self._options.varies)
            fuse = Fuse(recorder, target, moment)
            found: list[Difference] = []
            result = None
            try:
                self._lives(database, fuse, handle.id)
                result = handle.result(timeout=self._options.seconds)
            except (TaskStuck, TaskFailed) as error:
                if target is None:
                    raise
                if isinstance(error, TaskStuck):
                    found.append(Difference(Kind.STATE, error.message))
            found += self._look(database, recorder)
            later = later_runs(database, handle.id)
            end = snapshot.take(database, recorder.paths, later)
            points = [point for point in fuse.points if point.task not in {recorder.paths.of(task_id) for task_id in later}]
            return Run(recorder, points, fuse.blown, end, snapshot.pins(database, recorder.paths), result, found)

    def _look(self, database: TestDatabase, recorder: Recorder) -> list[Difference]:
        found = replay.disagreements(recorder)
        found += [
            Difference(Kind.TWICE, f"step {step!r}{f' of {path}' if path else ''} was recorded {count} times")
            for (path, step), count in recorder.records.items()
            if count > 1
        ]
        found += [Difference(Kind.VERIFY, f"verify() finds {invariant}: {detail}") for invariant, _, _, detail in database.verify()]
        try:
            if _call(self._options.check, database) is False:
                found.append(Difference(Kind.CHECK, "check() returned False"))
        except AssertionError as error:
            found.append(Difference(Kind.CHECK, f"check() fails: {str(error).strip() or 'an assertion without a message'}"))
        return found

    def _lives(self, database: TestDatabase, fuse: Fuse, task_id: UUID) -> None:
        """A worker's life; if it is killed, another's."""
        others = [pid for (pid,) in database.rows(PIDS)]
        self._life(database, fuse, task_id)
        if fuse.blown:
            database.rows(END_THE_REST, others)
            self._life(database, Fuse(fuse.recorder), task_id)

    def _life(self, database: TestDatabase, fuse: Fuse, task_id: UUID) -> None:
        loop = asyncio.SelectorEventLoop()
        workers: list[MortalWorker] = []

        def make(registry: Registry, dsn: str, options: WorkerOptions) -> MortalWorker:
            workers.append(MortalWorker(watched(registry, fuse.recorder), dsn, options, fuse))
            return workers[-1]

        driver = Driver(database, self._bound, events=self._options.events, seconds=self._options.seconds, worker=make)
        try:
            loop.run_until_complete(_until_blown(driver.until_quiet(task_id), fuse, loop))
        finally:
            if fuse.blown:
                bury(loop, workers)
            else:
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()


async def _until_blown(driving: Any, fuse: Fuse, loop: asyncio.AbstractEventLoop) -> None:
    """Until the run is over, or its worker dead: then everything stays as it is."""
    killed = asyncio.Event()
    fuse.on_blown(partial(loop.call_soon_threadsafe, killed.set))
    drive, death = asyncio.create_task(driving), asyncio.create_task(killed.wait())
    await asyncio.wait({drive, death}, return_when=asyncio.FIRST_COMPLETED)
    if not fuse.blown:
        death.cancel()
        drive.result()


def _reruns(first: Recorder, now: Recorder) -> dict[str, int]:
    return {
        f"{step} of {path}" if path else step: count
        for (path, step), count in now.bodies.items()
        if count > max(1, first.bodies[path, step])
    }


def _where(points: Sequence[Point], number: int, moment: str) -> str:
    """Between which two commits."""
    if moment == AFTER:
        following = f", before {points[number + 1]}" if number + 1 < len(points) else ""
        return f"right after {points[number]} was committed{following}"
    preceding = f", after {points[number - 1]}" if number else ""
    return f"right before {points[number]} was committed, what it records being done{preceding}"


def _spread(moments: list[tuple[int, str]], most: int | None) -> Collection[tuple[int, str]]:
    """As many as are wanted, from all over the run, its first and last included."""
    if most is None or most >= len(moments):
        return moments
    if most == 1:
        return [moments[len(moments) // 2]]
    return [moments[round(number * (len(moments) - 1) / (most - 1))] for number in range(most)]


def _call(callback: Callback | None, database: TestDatabase) -> Any:
    """Call a user's function, with the database if it takes one."""
    if callback is None:
        return None
    value = callback(database) if signature(callback).parameters else callback()

    async def awaited() -> Any:
        return await value

    return asyncio.run(awaited()) if isawaitable(value) else value
