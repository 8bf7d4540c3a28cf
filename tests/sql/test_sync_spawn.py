"""worker_sync starts children: each exactly once, with the checkpoint that names it, whatever its neighbours do."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import Q, Session, Task, claim_one, log, make_queue, op, running, spawn, state, statuses, sync

OTHER = "other"


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)
    make_queue(db, OTHER)


def child(task: Task, step: str = "child", /, **fields: Any) -> dict[str, Any]:
    return op("spawn", task, **{"step": step, "task_name": "work", "params": 1, **fields})


def children(db: Database) -> list[Any]:
    return db.rows("select task_id, queue_name from absurd.task where parent_task_id is not null order by task_id")


def test_a_child_is_stored_with_the_checkpoint_that_names_it(db: Database) -> None:
    parent = running(db)

    answer = sync(db, [child(parent, "s", queue=OTHER, task_name="kid", params={"a": 1}, options={"max_attempts": 3, "headers": {"h": 1}})])

    ((child_id, queue_name),) = children(db)
    assert answer["ops"] == [{"n": 0, "status": "ok", "child": str(child_id)}]
    saved = "select checkpoint_name, state, status, claim_epoch, attempt from absurd.checkpoint where task_id = %s"
    assert db.one(saved, parent.task_id) == ("s", {"task_id": str(child_id), "queue": OTHER}, "committed", parent.epoch, 1)
    stored = "select task_name, params, headers, max_attempts, state, parent_task_id, workflow_run_id from absurd.task where task_id = %s"
    assert queue_name == OTHER
    assert db.one(stored, child_id) == ("kid", {"a": 1}, {"h": 1}, 3, "pending", parent.task_id, parent.task_id)
    assert log(db, child_id) == ["task.spawned"]
    assert db.one("select count(*) from absurd.workflow_run") == 1
    assert db.verify() == []


def test_a_child_without_queue_params_and_options_goes_to_the_requests_queue(db: Database) -> None:
    parent = running(db)

    sync(db, [op("spawn", parent, step="s", task_name="kid")])

    assert db.one("select queue_name, params from absurd.task where parent_task_id is not null") == (Q, None)
    assert claim_one(db).task_id == children(db)[0][0]


def test_a_spawn_sent_again_gives_the_same_child(db: Database) -> None:
    parent = running(db)
    request = [child(parent)]
    first = sync(db, request)

    again = sync(db, request)

    assert again["ops"] == [{"n": 0, "status": "already", "child": first["ops"][0]["child"]}]
    assert len(children(db)) == 1


@pytest.mark.parametrize("end", ["complete", "release", "sleep"])
def test_a_spawn_whose_answer_was_lost_gives_the_same_child_when_the_run_is_over(db: Database, end: str) -> None:
    parent = running(db)
    request = [child(parent), op(end, parent, seconds=60)]
    first = sync(db, request)

    again = sync(db, request)

    assert statuses(again) == ["already", "already"]
    assert again["ops"][0]["child"] == first["ops"][0]["child"]
    assert len(children(db)) == 1
    assert db.verify() == []


def test_the_next_attempt_finds_the_child_of_the_first(db: Database) -> None:
    parent = running(db)
    first = sync(db, [child(parent), op("fail", parent, reason={"name": "E"}, retry_in=0)])
    heir = next(t for t in (claim_one(db), claim_one(db)) if t.task_id == parent.task_id)

    again = sync(db, [child(heir, task_name="another", queue="not there any more")])

    assert again["ops"] == [{"n": 0, "status": "already", "child": first["ops"][0]["child"]}]
    assert len(children(db)) == 1


def test_the_same_step_twice_in_one_call_has_one_child(db: Database) -> None:
    parent = running(db)

    answer = sync(db, [child(parent), child(parent)])

    assert statuses(answer) == ["ok", "already"]
    assert {o["child"] for o in answer["ops"]} == {str(children(db)[0][0])}
    assert len(children(db)) == 1


@pytest.mark.parametrize("spawn_first", [True, False])
@pytest.mark.parametrize("calls", [1, 2])
def test_a_step_that_holds_another_kind_of_value_conflicts(db: Database, calls: int, spawn_first: bool) -> None:
    parent = running(db)
    ops = [child(parent, "s"), op("checkpoint", parent, step="s", state=1)]
    ops = ops if spawn_first else ops[::-1]

    answers = statuses(sync(db, ops)) if calls == 1 else [statuses(sync(db, [o]))[0] for o in ops]

    assert answers == ["ok", "conflict"]
    assert len(children(db)) == spawn_first
    assert db.one("select count(*) from absurd.checkpoint") == 1


def test_a_lost_claim_starts_no_child(db: Database) -> None:
    parent = running(db)
    sync(db, [op("release", parent)])
    claim_one(db, worker="w2")

    answer = sync(db, [child(parent), child(parent, "bad", options={"priority": "high"})])

    assert answer["ops"] == [{"n": 0, "status": "stale", "child": None}, {"n": 1, "status": "stale", "child": None}]
    assert children(db) == []
    assert db.rows("select from absurd.checkpoint") == []


def test_a_cancelled_task_starts_no_child(db: Database) -> None:
    parent = running(db)
    db.one("select absurd.cancel_task(%s, %s) is null", Q, parent.task_id)

    assert statuses(sync(db, [child(parent)])) == ["cancelled"]
    assert children(db) == []


@pytest.mark.parametrize(
    ("fields", "sqlstate"),
    [
        ({"queue": "nobody"}, "42P01"),
        ({"step": ""}, "TW304"),
        ({"step": None}, "TW304"),
        ({"task_name": None}, "P0001"),
        ({"task_name": "t" * 256}, "TW304"),
        ({"params": "x" * 1_048_577}, "TW302"),
        ({"params": eval("[" * 65 + "1" + "]" * 65)}, "TW303"),
        ({"options": {"priority": 40000}}, "TW301"),
        ({"options": {"detached": "yes"}}, "TW301"),
        ({"options": {"max_attempts": 0}}, "P0001"),
        ({"options": {"max_attempts": "many"}}, "TW301"),
        ({"options": {"max_attempts": 1e30}}, "TW301"),
        ({"options": {"retry_strategy": {"kind": "linear"}}}, "AB003"),
        ({"options": {"cancellation": "soon"}}, "TW301"),
        ({"options": {"start_at": "tomorrow"}}, "TW301"),
        ({"options": {"parent_task_id": "01890000-0000-7000-8000-000000000000"}}, "TW301"),
        ({"options": {"idempotency_key": "k" * 1025}}, "TW301"),
    ],
)
def test_what_cannot_be_spawned_is_refused_for_its_own_task_alone(db: Database, fields: dict[str, Any], sqlstate: str) -> None:
    parent, neighbour = running(db), running(db)

    answer = sync(db, [child(parent, **fields), op("complete", parent), child(neighbour, "n")])

    assert statuses(answer) == ["refused", "skipped", "ok"]
    assert answer["ops"][0]["error"]
    assert answer["ops"][0]["sqlstate"] == sqlstate
    assert state(db, parent.task_id) == "running"
    assert db.rows("select parent_task_id from absurd.task where parent_task_id is not null") == [(neighbour.task_id,)]


def test_a_known_idempotency_key_gives_the_task_that_has_it(db: Database) -> None:
    known = spawn(db, OTHER, idempotency_key="k")
    parent = running(db)
    keyed = {"queue": OTHER, "options": {"idempotency_key": "k"}}

    answer = sync(db, [child(parent, "a", **keyed), child(parent, "b"), child(parent, "c", **keyed)])

    first, second, third = answer["ops"]
    assert statuses(answer) == ["ok", "ok", "ok"]
    assert first["child"] == third["child"] == str(known)
    assert db.rows("select state ->> 'task_id' from absurd.checkpoint order by checkpoint_name") == [
        (str(known),),
        (second["child"],),
        (str(known),),
    ]
    assert db.one("select count(*) from absurd.task") == 3
    assert db.verify() == []


def test_two_children_of_one_key_in_one_call_are_one(db: Database) -> None:
    parent = running(db)

    answer = sync(db, [child(parent, s, options={"idempotency_key": "k"}) for s in ("a", "b")])

    assert len({o["child"] for o in answer["ops"]}) == 1
    assert len(children(db)) == 1


@pytest.mark.parametrize(
    ("parents", "own", "detached", "expected"),
    [(60, None, False, 60), (60, 30, False, 30), (60, 90, False, 60), (60, None, True, None), (60, 90, True, 90), (None, 30, False, 30)],
)
@pytest.mark.parametrize("way", ["worker_sync", "spawn_task"])
def test_a_child_has_the_earlier_of_both_deadlines_unless_detached(
    db: Database, way: str, parents: int | None, own: int | None, detached: bool, expected: int | None
) -> None:
    start = datetime(2030, 1, 1, tzinfo=UTC)
    db.clock.set(start)

    def at(seconds: int | None) -> str | None:
        return None if seconds is None else (start + timedelta(seconds=seconds)).isoformat()

    parent = running(db, deadline=at(parents))
    options: dict[str, Any] = ({"deadline": at(own)} if own else {}) | ({"detached": True} if detached else {})
    if way == "worker_sync":
        sync(db, [child(parent, options=options)])
    else:
        spawn(db, parent_task_id=str(parent.task_id), **options)

    ((child_id, _),) = children(db)
    moment = None if expected is None else start + timedelta(seconds=expected)
    assert db.one("select deadline, cancel_at from absurd.task where task_id = %s", child_id) == (moment, moment)


@pytest.mark.parametrize(("detached", "expected"), [(False, "cancelled"), (True, "pending")])
def test_a_cancelled_parent_takes_its_spawned_child_along_unless_detached(db: Database, detached: bool, expected: str) -> None:
    parent = running(db)
    sync(db, [child(parent, options={"detached": detached})])

    db.one("select absurd.cancel_task(%s, %s) is null", Q, parent.task_id)

    assert state(db, children(db)[0][0]) == expected
    assert db.verify() == []


def test_a_child_may_start_later(db: Database) -> None:
    parent = running(db)

    sync(db, [child(parent, options={"delay_seconds": 60, "priority": -5})])

    assert db.one("select state, priority from absurd.task where parent_task_id is not null") == ("sleeping", -5)


def test_a_queue_that_is_being_dropped_makes_its_own_spawn_busy_and_no_other(db: Database) -> None:
    parent, neighbour = running(db), running(db)
    with Session(db) as operator:
        operator.run("begin")
        operator.run("select from absurd.queues where queue_name = %s for update", OTHER)  # as drop_queue begins

        assert statuses(sync(db, [child(parent, queue=OTHER), child(neighbour)])) == ["busy", "ok"]

        operator.run("rollback")
    assert statuses(sync(db, [child(parent, queue=OTHER)])) == ["ok"]


def test_many_children_of_many_parents_in_several_queues_are_made_in_one_call(db: Database) -> None:
    """Set-based: 500 children cost about what 500 tasks of spawn_tasks cost, and are spawned in the order they were asked for."""
    parents = [running(db) for _ in range(5)]
    ops = [child(parents[n % 5], f"s{n}", queue=(Q, OTHER)[n % 2], params=n) for n in range(500)]

    began = time.perf_counter()
    answer = sync(db, ops)
    spent = time.perf_counter() - began

    assert set(statuses(answer)) == {"ok"}
    assert len({o["child"] for o in answer["ops"]}) == 500
    stored = db.rows("""
        select (params #>> '{}')::int from absurd.task t join absurd.absurd_event_log l on l.task_id = t.task_id
        where l.event = 'task.spawned' and t.parent_task_id is not null order by l.log_id""")
    assert [n for (n,) in stored] == list(range(500))
    assert spent < 1
    assert db.verify() == []


def test_a_spawn_costs_no_statement_of_its_own(db: Database) -> None:
    """What the gate does is done once a call, not once a child: the log rows of one call share one moment and one path."""
    parent = running(db)

    sync(db, [child(parent, f"s{n}") for n in range(50)])

    paths = db.rows("select distinct via, at from absurd.absurd_event_log where event = 'task.spawned' and task_id <> %s", parent.task_id)
    assert [via for via, _ in paths] == ["worker_sync"]


def test_a_child_spawned_beside_an_event_and_the_end_of_its_parent(db: Database) -> None:
    parent = running(db)

    answer = sync(db, [child(parent), op("emit", parent, event="e", payload=1), op("complete", parent, result=json.dumps(1))])

    assert statuses(answer) == ["ok", "ok", "ok"]
    assert (state(db, parent.task_id), state(db, children(db)[0][0])) == ("completed", "pending")
    assert db.verify() == []
