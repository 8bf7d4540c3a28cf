"""Runs schedules: sessions A, B and C, one call each or two, begun, committed and rolled back in a given order.

A schedule is written as words: `Ax` begins A's transaction if need be and makes its next call, `Ac` commits, `Ar` rolls back. A call
that blocks (seen through pg_blocking_pids) lets the schedule go on; what its session has to do next is done as soon as it returns.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations
from typing import Any

import psycopg

from fixtures.database import Database
from races import outcome, pauses
from races.actors import Actor
from races.scenes import Scene, build
from races.schedule import DEADLINE_SECONDS, Session

Outcome = tuple[Any, dict[str, list[str]]]
VERIFY = """select invariant, queue_name, task_id, detail from (
  select * from absurd._verify_state() union all select * from absurd._verify_records()
  union all select * from absurd._verify_workflow_run() union all select * from absurd._verify_log()) v"""
# Who waits for a row has announced it with a tuple lock; who waits for a key that another session is inserting has not.
# A worker of autovacuum that holds a table for a moment is nobody of the schedule.
WAITS = """select array(select b from unnest(pg_blocking_pids(%s)) b
    where exists (select from pg_stat_activity a where a.pid = b and a.backend_type = 'client backend')),
  (select array_agg(l.relation::regclass::text) from pg_locks l where l.pid = %s and l.locktype = 'tuple')"""
WIPE = """do $$
declare
  v_tables text[] := array(select g.tgrelid::regclass::text from pg_trigger g
                           where g.tgname = 'zzz_no_truncate' and g.tgenabled = 'A' order by 1);
  v_table  text;
begin
  foreach v_table in array v_tables loop
    execute format('alter table %s disable trigger zzz_no_truncate', v_table);
  end loop;
  truncate absurd.task, absurd.run, absurd.checkpoint, absurd.event, absurd.wait, absurd.workflow_run, absurd.absurd_event_log;
  foreach v_table in array v_tables loop
    execute format('alter table %s enable always trigger zzz_no_truncate', v_table);
  end loop;
  truncate absurd.follow_up;
  delete from absurd.queues;
end $$"""
WIPE_EVERY = 60
SETTLE = "select c.task_id from absurd.queues q, absurd.claim_tasks(q.queue_name, 'settler', 3600, 100) c where q.queue_name = %s"
CHECKPOINTS = """select c.task_id, c.checkpoint_name, c.state::text, c.status from absurd.checkpoint c
  where c.queue_name = %s and exists (select from absurd.task t where t.task_id = c.task_id)"""


@dataclass(frozen=True, slots=True)
class Case:
    """A scene and what each session does in it."""

    scene: str
    calls: dict[str, tuple[Actor, ...]]

    def __str__(self) -> str:
        return f"{self.scene}: " + ", ".join(f"{who} = {' then '.join(a.name for a in does)}" for who, does in self.calls.items())


@dataclass(slots=True)
class Player:
    """One session's part in a schedule."""

    session: Session
    calls: list[Actor]
    call: Future[list[Any]] | None = None
    open: bool = False
    waiting: list[str] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    broken: str | None = None
    committed: bool = False


@dataclass(slots=True)
class Result:
    outcome: Outcome
    blocked: set[str]  # who waited for another session
    again: bool  # was something skipped, and done when it was asked for again?
    findings: list[str]


@dataclass(slots=True)
class Count:
    """What was tried: interleaved schedules, those of them in which a session waited, serial orders run to compare with."""

    schedules: int = 0
    blocked: int = 0
    serial: int = 0


class Arena:
    """A database that many schedules use one after another, each in a queue of its own; its connections stay open."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.count = Count()
        self._played = 0
        self._kept: dict[Any, Any] = {}
        self._serial: dict[Any, Outcome] = {}
        db.conn.execute("set lock_timeout = '15s'")

    @cached_property
    def sessions(self) -> dict[str, Session]:
        made = {who: Session(self.db) for who in "ABC"}
        for session in made.values():
            session.run("set deadlock_timeout = '50ms'")  # two that wait for one another are told at once
            session.run("set lock_timeout = '15s'")
        return made

    @cached_property
    def gate(self) -> psycopg.Connection[Any]:
        """Holds the lock that a paused session waits for."""
        return self.db.connect()

    def restart(self) -> None:
        """Let go of whatever a schedule that went wrong has left."""
        self.gate.execute("select pg_advisory_unlock_all()")
        for session in self.sessions.values():
            self.db.conn.execute("select pg_terminate_backend(%s)", (session.pid,))
        self.close()
        del self.sessions

    def close(self) -> None:
        for session in self.sessions.values():
            session.__exit__(None, None, None)

    # one schedule

    def play(self, case: Case, script: str, stop: str = "") -> Result:
        """Run one schedule; what it found wrong is in `findings`, its outcome is to be compared with the serial ones.

        `stop` names a pause at which A's first call is held until the word `go`.
        """
        self._played += 1
        if self._played % WIPE_EVERY == 0:
            self.wipe()
        self.count.schedules += 1
        scene = build(self.db, case.scene)
        if stop:
            self.gate.execute("select pg_advisory_lock(%s)", (pauses.GATE,))
            self.sessions["A"].run("select set_config('races.stop', %s, false)", stop)
        self._kept = {}
        players = {who: Player(self.sessions[who], list(does)) for who, does in case.calls.items()}
        blocked: set[str] = set()
        findings: list[str] = []
        for word in script.split():
            if word == "go":
                self.gate.execute("select pg_advisory_unlock(%s)", (pauses.GATE,))
                self._settle(scene, players, blocked, findings)
                continue
            player = players[word[0]]
            if player.call is None:
                self._step(scene, word[0], player, word[1])
            else:
                player.waiting.append(word[1])
            self._settle(scene, players, blocked, findings)
        self._finish(scene, players, blocked, findings)
        self.count.blocked += bool(blocked)
        again = self._again(scene, case, players, findings)
        findings += [f"verify: {v}" for v in self.db.rows(VERIFY)]
        self.db.rows(SETTLE, scene.queue)
        rows, names = outcome.read(self.db, scene)
        findings += outcome.problems(rows)
        findings += [
            f"a checkpoint changed: {k} was {self._kept[k]}, is {v}" for k, v in self._checkpoints(scene) if self._kept.get(k, v) != v
        ]
        answers = {
            who: [outcome.named(json.dumps(a, sort_keys=True), names) for a in p.answers] for who, p in players.items() if p.committed
        }
        return Result((answers, outcome.comparable(rows, names)), blocked, again, findings)

    def _step(self, scene: Scene, who: str, player: Player, step: str) -> None:
        if step == "x":
            if player.broken is None:
                if not player.open:
                    player.session.run("begin")
                    player.open = True
                query, arguments = player.calls[len(player.answers)].statement(scene, who)
                player.call = player.session.start(query, *arguments)
            return
        player.session.run("commit" if step == "c" and player.broken is None else "rollback")
        for key, value in self._checkpoints(scene):
            self._kept.setdefault(key, value)
        player.open = False
        player.committed = step == "c"

    def _settle(self, scene: Scene, players: dict[str, Player], blocked: set[str], findings: list[str]) -> None:
        """Wait until each call has returned or waits for another session; sessions that return go on with what they put off."""
        moved = True
        while moved:
            moved = False
            for who, player in players.items():
                if player.call is not None and self._returned(who, player, blocked, findings):
                    self._answer(player, findings)
                    moved = True
                while player.call is None and player.waiting:
                    self._step(scene, who, player, player.waiting.pop(0))
                    moved = True

    def _returned(self, who: str, player: Player, blocked: set[str], findings: list[str]) -> bool:
        assert player.call is not None
        end = time.monotonic() + DEADLINE_SECONDS
        while not player.call.done():
            blockers, tuples = self.db.one(WAITS, player.session.pid, player.session.pid)
            if blockers == [self.gate.info.backend_pid]:
                return False
            if blockers and not player.call.done():
                blocked.add(who)
                actor = player.calls[len(player.answers)]
                if actor.skips and set(tuples or []) & {"absurd.task", "absurd.checkpoint"}:
                    findings.append(f"{actor.name} waits for a row of {tuples}")
                return False
            assert time.monotonic() < end, f"{who} neither returns nor waits"
        return True

    def _answer(self, player: Player, findings: list[str]) -> None:
        assert player.call is not None
        actor = player.calls[len(player.answers)]
        error = player.call.exception()
        if error is None:
            player.answers.append([row[0] for row in player.call.result()])
        else:
            assert isinstance(error, psycopg.Error), error
            player.broken = error.sqlstate
            player.answers.append(error.sqlstate)
            if error.sqlstate == "40P01":
                findings.append(f"{actor.name}: deadlock")
            elif error.sqlstate not in actor.declared():
                findings.append(f"{actor.name}: {error.sqlstate} is not declared: {error}")
        player.call = None

    def _finish(self, scene: Scene, players: dict[str, Player], blocked: set[str], findings: list[str]) -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        while any(p.call is not None or p.open for p in players.values()):
            self._settle(scene, players, blocked, findings)
            assert time.monotonic() < end, "the schedule does not end"

    def _again(self, scene: Scene, case: Case, players: dict[str, Player], findings: list[str]) -> bool:
        """Whoever skipped what was held asks again, as a worker would, and its answers become one."""
        asked = False
        for who, player in players.items():
            if not player.committed:
                continue
            for n, actor in enumerate(case.calls[who][: len(player.answers)]):
                first = player.answers[n]
                left = first == "40001" or "busy" in json.dumps(first) or (actor.function.startswith("record_step") and first == [False])
                if not (left or actor.name.startswith(("claim", "cleanup"))):
                    continue
                query, arguments = actor.statement(scene, who)
                try:
                    second = [row[0] for row in self.db.conn.execute(query, arguments).fetchall()]
                except psycopg.Error as error:
                    second = error.sqlstate
                    if second not in actor.declared():
                        findings.append(f"{actor.name} again: {error}")
                if "busy" in json.dumps(second) or second == "40001":
                    findings.append(f"{actor.name}: busy although nobody is there: {second}")
                asked = asked or (bool(second) and second != [0]) or first == "40001" or "busy" in json.dumps(first)
                player.answers[n] = merged(actor, first, second)
        return asked

    def _checkpoints(self, scene: Scene) -> list[tuple[Any, Any]]:
        return [(row[:2], row[2:]) for row in self.db.rows(CHECKPOINTS, scene.queue)]

    def wipe(self) -> None:
        """Verify all that was left, then empty the tables, so that looking at everything stays cheap."""
        assert [v for v in self.db.verify() if v[0] != "queue_views_are_read_only"] == []  # a scene's queue has no views
        self.db.conn.execute(WIPE)

    # the oracle

    def serial(self, case: Case, sessions: Sequence[str]) -> list[Outcome]:
        """The outcomes of these sessions one after another, in every order; really run, once."""
        return [self._in_order(case, order) for order in permutations(sessions)]

    def _in_order(self, case: Case, order: Sequence[str]) -> Outcome:
        key = (case.scene, tuple((who, tuple(a.name for a in case.calls[who])) for who in order))
        if key not in self._serial:
            part = Case(case.scene, {who: case.calls[who] for who in case.calls if who in order})
            script = " ".join(" ".join([f"{who}x"] * len(case.calls[who]) + [f"{who}c"]) for who in order)
            result = self.play(part, script)
            self.count.schedules -= 1
            self.count.serial += 1
            assert not result.blocked, (str(case), script)
            assert not result.findings, (str(case), script, result.findings)
            self._serial[key] = result.outcome
        return self._serial[key]

    def judge(self, case: Case, script: str, stop: str = "") -> Result:
        """Run a schedule, and say in its findings what is wrong with it; an outcome that no serial order has, too."""
        try:
            result = self.play(case, script, stop)
            ended = [who for who in case.calls if f"{who}c" in script.split()]
            allowed = self.serial(case, ended)
        except BaseException:
            self.restart()
            raise
        # what was asked for again is a transaction of its own, so a transaction of two calls has been parted
        parted = result.again and any(len(does) > 1 for does in case.calls.values())
        if not parted and outcome.excused(case.calls, result.outcome) not in [outcome.excused(case.calls, o) for o in allowed]:
            result.findings.append("no serial order ends like this:\n" + outcome.difference(result.outcome, allowed))
        at = f" at {stop}" if stop else ""
        result.findings[:] = [f"{case} [{script}]{at}: {f}" for f in result.findings]
        return result


def merged(actor: Actor, first: Any, second: Any) -> Any:
    """What a caller has learned when it has asked twice."""
    if actor.name.startswith("claim") and isinstance(first, list) and isinstance(second, list):
        return sorted([*first, *second], key=lambda row: json.dumps(row["task_name"]))
    if actor.name.startswith("cleanup") and isinstance(first, list) and isinstance(second, list):
        return [first[0] + second[0]]
    return second
