"""A worker in full flow whose two lines stand still at a known place: a call of many operations, and a claim beside it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from worker import flowing
from worker.harness import Database, WorkerProcess, eventually_sync

OPERATIONS, CLAIMS = "tollway worker", "tollway worker claims"
"""What the two lines are called in the database."""
SLOTS = 50
HELD = SLOTS + SLOTS // 2
"""What a worker with so many slots holds when there is enough to do."""
TASKS = 20 * SLOTS
BOUND = 90.0
"""Of whatever has to happen at all: other tests may be using the machine."""

HELD_UP = """
create function held_up() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(hashtext(current_setting('application_name')));
  return new;
end $$;
create trigger held_up before update on absurd.task for each row execute function held_up();
"""


class Lines:
    """Holds up, in the database, what comes by one line or the other: it waits there for a lock that this session has."""

    def __init__(self, look: Database) -> None:
        self._look = look

    @classmethod
    def laid(cls, look: Database) -> Lines:
        look.connection.execute(HELD_UP)
        return cls(look)

    def hold(self, *lines: str) -> None:
        for line in lines:
            self._look.connection.execute("select pg_advisory_lock(hashtext(%s))", (line,))

    def let_go(self, *lines: str) -> None:
        for line in lines or (OPERATIONS, CLAIMS):
            self._look.connection.execute("select pg_advisory_unlock(hashtext(%s))", (line,))

    def waits(self, line: str) -> int | None:
        """The process id of that line's backend, if it waits for the lock."""
        return backend(self._look, line, "wait_event = 'advisory'")

    def has_claimed(self) -> int | None:
        """The process id of the claims' line, once a claim has come and gone by it."""
        return backend(self._look, CLAIMS, "state = 'idle' and query like '%%worker_sync%%'")

    def terminate(self, line: str) -> None:
        assert self._look.kill_backends(line.removeprefix("tollway ")) == 1

    def removed(self) -> None:
        """`verify` would find the trigger."""
        self._look.connection.execute("select pg_advisory_unlock_all()")
        self._look.connection.execute("drop function held_up() cascade")


class Flow:
    """A worker process with more to do than it can hold, and a folder through which it is told when its handlers end."""

    def __init__(self, dsn: str, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.ended = 0
        """Tasks, in the waves so far."""
        folder.mkdir()
        self.process = WorkerProcess(
            dsn,
            *("--concurrency", str(SLOTS), "--lease", "600", *arguments),
            target="flowing:app",
            TOLLWAY_FLOW=str(folder),
            TOLLWAY_BODIES=str(folder.parent / "bodies"),
        )

    def __enter__(self) -> Flow:
        return self

    def __exit__(self, *how: Any) -> None:
        self.process.__exit__(*how)

    def both_lines_busy(self, lines: Lines, look: Database) -> tuple[int, int]:
        """A call of SLOTS ends waits on the one line, a claim on the other; the process ids of their backends."""
        self.settled(look)
        while not lines.has_claimed():  # the line is opened besides, so it is the second wave or a later one
            self.wave()
            self.settled(look)
        lines.hold(OPERATIONS, CLAIMS)
        self.wave()
        return eventually_sync(lambda: lines.waits(OPERATIONS), BOUND), eventually_sync(lambda: lines.waits(CLAIMS), BOUND)

    def wave(self) -> None:
        """All slots' handlers end at once."""
        asked = self.folder / flowing.WAVE
        asked.with_suffix(".new").write_text(str(SLOTS))
        asked.with_suffix(".new").rename(asked)
        eventually_sync(lambda: not asked.exists(), BOUND)
        self.ended += SLOTS

    def settled(self, look: Database) -> None:
        """The ends of all waves are recorded, and the worker has claimed what it can hold: it has nothing to say or to ask."""
        eventually_sync(lambda: (completed(look), running(look)) == (self.ended, HELD), BOUND)

    def set_free(self) -> None:
        """No handler waits any more."""
        (self.folder / flowing.FREE).touch()


def start_tasks(look: Database) -> None:
    flowing.app.start_many_sync(flowing.flows, range(TASKS), conn=look.connection)


def backend(look: Database, line: str, condition: str = "true") -> int | None:
    """The process id of the line's backend, if there is one of which the condition holds."""
    query = f"select pid from pg_stat_activity where datname = current_database() and application_name = %s and {condition}"
    pid: int | None = look.one(query, line)
    return pid


def running(look: Database) -> int:
    return int(look.one("select count(*) from absurd.task where state = 'running'"))


def completed(look: Database) -> int:
    return int(look.one("select count(*) from absurd.task where state = 'completed'"))


def work_off_the_rest(dsn: str, folder: Path) -> None:
    """Another worker does all that is there to be claimed, and ends."""
    with Flow(dsn, folder, "--once") as other:
        other.set_free()
        assert other.process.wait(BOUND) == 0


def bodies(folder: Path) -> Counter[int]:
    """How often each task's step ran."""
    return Counter(int(line) for line in (folder / "bodies").read_text().split())


def assert_each_ended_once(look: Database) -> None:
    """Nothing was lost, and nothing was tried, or ended, a second time."""
    assert look.rows("select state, attempt, count(*) from absurd.task group by 1, 2") == [("completed", 1, TASKS)]
    assert look.one("select count(*) from absurd.task where result is distinct from params") == 0
    ends = "select count(*), count(distinct task_id) from absurd.absurd_event_log where event = 'run.completed'"
    assert look.rows(ends) == [(TASKS, TASKS)]
    assert look.violations() == []
