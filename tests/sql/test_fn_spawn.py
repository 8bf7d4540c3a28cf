"""spawn_task and spawn_tasks: options, idempotency keys, and what is refused before anything is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.database import Database
from sql.helpers import NOBODY, Q, at, claim_one, complete, expect_error, one, prepare, run, running, spawn, spawn_row, task_in


@pytest.fixture(autouse=True)
def scenario(db: Database) -> Iterator[None]:
    prepare(db)
    yield
    assert db.verify() == []


def nothing_stored(db: Database) -> bool:
    return all(db.one(f"select count(*) from absurd.{t}") == 0 for t in ("task", "workflow_run", "absurd_event_log"))


def test_a_spawn_returns_one_row_with_the_first_attempt(db: Database) -> None:
    row = spawn_row(db)

    assert list(row) == ["task_id", "run_id", "attempt", "created"]
    assert (row["attempt"], row["created"]) == (1, True)
    assert db.one("select last_attempt_run from absurd.t_q") == row["run_id"]


@pytest.mark.parametrize("name", [None, "", "   "])
def test_a_task_needs_a_name(db: Database, name: str | None) -> None:
    with expect_error("P0001", "task_name must be provided"):
        run(db, "select absurd.spawn_task(%s, %s, '1')", Q, name)

    assert nothing_stored(db)


def test_a_name_of_255_bytes_is_the_longest(db: Database) -> None:
    spawn(db, name="é" * 127 + "x")

    with expect_error("TW304", "task_name has 256 bytes"):
        spawn(db, name="é" * 128)


@pytest.mark.parametrize(("given", "stored"), [(None, None), ('{"a": 1}', {"a": 1}), ("null", None), ("[]", []), ('""', "")])
def test_params_are_kept_and_sql_null_becomes_json_null(db: Database, given: str | None, stored: Any) -> None:
    run(db, "select absurd.spawn_task(%s, 'work', %s)", Q, given)

    assert db.one("select params, jsonb_typeof(params) from absurd.t_q") == (
        stored,
        {type(None): "null", dict: "object", list: "array", str: "string"}[type(stored)],
    )


def test_the_row_of_a_task_without_options_is_that_of_one_with_options(db: Database) -> None:
    """spawn_task writes the plain row itself; that of any other is made by _new_task, as those of spawn_tasks are."""
    run(db, "select absurd.spawn_task('q', 'work', '1', '{\"max_attempts\": 5}')")
    run(db, "select absurd.spawn_task('q', 'work', '1', '{\"max_attempts\": 5, \"priority\": 0}')")
    run(db, "select absurd.spawn_task('q', 'work', '1')")
    run(db, 'select absurd.spawn_tasks(\'q\', \'[{"task_name": "work", "params": 1}]\')')

    first, second, third, fourth = (
        {key: value for key, value in row.items() if key not in ("task_id", "workflow_run_id", "available_at", "enqueue_at", "attempt_at")}
        for (row,) in db.rows("select to_jsonb(t) from absurd.task t order by enqueue_at")
    )
    assert (first, third) == (second, fourth)
    assert (first["max_attempts"], third["max_attempts"]) == (5, None)
    assert db.one("select bool_and(available_at = enqueue_at and attempt_at = enqueue_at and workflow_run_id = task_id) from absurd.task")


@pytest.mark.parametrize("plain", [True, False])
def test_a_document_is_as_large_as_it_will_be_not_as_it_is_stored(db: Database, *, plain: bool) -> None:
    db.one("select absurd.set_queue_policy('q', '{\"max_payload_bytes\": 1024}') is null")
    db.conn.execute("create temporary table large as select to_jsonb(repeat('x', 30000)) as document")
    assert db.one("select pg_column_size(document) < 512 from large")

    with expect_error("TW302", "params has 30002 bytes; the limit is 1024"):
        run(db, "select absurd.spawn_task('q', 'work', document, %s) from large", "{}" if plain else '{"priority": 1}')
    assert nothing_stored(db)


@pytest.mark.parametrize("options", [None, "null", "[]", '"x"', "5", "{}", '{"unheard_of": 1}'])
def test_options_that_are_none_are_no_options(db: Database, options: str | None) -> None:
    run(db, "select absurd.spawn_task(%s, 'work', '1', %s)", Q, options)

    assert one(db, "select max_attempts, headers, retry_strategy, cancellation, idempotency_key from absurd.t_q") == {
        "max_attempts": None, "headers": None, "retry_strategy": None, "cancellation": None, "idempotency_key": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"max_attempts": 0}, "P0001", "max_attempts must be >= 1"),
        ({"max_attempts": -3}, "P0001", "max_attempts must be >= 1"),
        ({"max_attempts": 1.5}, "22P02", None),
        ({"max_attempts": "many"}, "22P02", None),
        ({"max_attempts": 10**12}, "22003", None),
        ({"priority": 40000}, "TW301", "priority must be a whole number between -32768 and 32767, not 40000"),
        ({"priority": 1.5}, "TW301", None),
        ({"priority": "high"}, "TW301", None),
        ({"delay_seconds": -1}, "TW301", None),
        ({"delay_seconds": "soon"}, "TW301", None),
        ({"delay_seconds": 1e300}, "TW301", None),
        ({"start_at": "tomorrow"}, "TW301", None),
        ({"start_at": "2030-02-31T00:00:00Z"}, "TW301", None),
        ({"start_at": "2030-01-01T00:00:00"}, "TW301", None),
        ({"deadline": 17}, "TW301", None),
        ({"deadline_seconds": -1}, "TW301", None),
        ({"tags": "one"}, "TW301", None),
        ({"tags": [1]}, "TW301", None),
        ({"created_by": 7}, "TW301", None),
        ({"workflow_version": "x" * 256}, "TW301", None),
        ({"idempotency_key": "k" * 1025}, "TW301", "idempotency_key has 1025 bytes"),
        ({"parent_task_id": "nobody"}, "TW301", None),
        ({"parent_task_id": str(NOBODY)}, "TW301", f"parent task {NOBODY} not found"),
        ({"retry_strategy": None}, "AB003", "retry_strategy must be a JSON object"),
        ({"cancellation": "soon"}, "TW301", None),
        ({"cancellation": [5]}, "TW301", None),
        ({"cancellation": {"max_delay": 1.5}}, "TW301", None),
        ({"cancellation": {"max_duration": "long"}}, "TW301", None),
        ({"cancellation": {"max_duration": 1e200}}, "TW301", None),
        ({"cancellation": {"max_delay": {}}}, "TW301", None),
    ],
)
def test_a_bad_option_is_refused_before_anything_is_stored(db: Database, options: Any, code: str, message: str | None) -> None:
    with expect_error(code, message):
        spawn(db, **options)
    with expect_error(code, message):
        run(db, "select * from absurd.spawn_tasks(%s, %s)", Q, json.dumps([{"task_name": "ok"}, {"task_name": "work", "options": options}]))

    assert nothing_stored(db)


@pytest.mark.parametrize(
    ("options", "column", "stored"),
    [
        ({"max_attempts": "2"}, "max_attempts", 2),
        ({"max_attempts": None}, "max_attempts", None),
        ({"headers": {"a": None}}, "headers", {"a": None}),
        ({"headers": [1]}, "headers", [1]),
        ({"priority": "-5"}, "priority", -5),
        ({"tags": ["a", "b"]}, "tags", ["a", "b"]),
        ({"created_by": "ann"}, "created_by", "ann"),
        ({"deadline": at(9).isoformat()}, "deadline", at(9)),
        ({"deadline_seconds": 9}, "deadline", at(9)),
        ({"deadline_seconds": 9, "deadline": at(5).isoformat()}, "deadline", at(5)),
        ({"start_at": at(9).isoformat()}, "available_at", at(9)),
        ({"start_at": at(-9).isoformat()}, "state", "pending"),
        ({"delay_seconds": 1.5}, "available_at", at(1.5)),
        ({"delay_seconds": 0}, "state", "pending"),
        ({"cancellation": {"max_delay": "10"}}, "cancel_at", at(10)),
        ({"cancellation": {"max_duration": 10}}, "cancel_at", None),
        ({"cancellation": {}}, "cancel_at", None),
        ({"idempotency_key": ""}, "idempotency_key", ""),
        ({"idempotency_key": 5}, "idempotency_key", "5"),
        ({"idempotency_key": None}, "idempotency_key", None),
    ],
)
def test_an_option_is_stored_as_it_was_meant(db: Database, options: Any, column: str, stored: Any) -> None:
    spawn(db, **options)

    assert db.one(f"select {column} from absurd.task") == stored


@pytest.mark.parametrize("option", ["headers", "cancellation"])
def test_json_null_in_an_option_stays_json_null(db: Database, option: str) -> None:
    given: dict[str, Any] = {option: None}
    spawn(db, **given)

    assert db.one(f"select jsonb_typeof({option}) from absurd.t_q") == "null"


@pytest.mark.parametrize(("first", "second"), [("k", "k"), (5, "5"), ("", "")])
def test_the_same_key_is_the_same_task(db: Database, first: Any, second: Any) -> None:
    task = spawn_row(db, idempotency_key=first)

    again = spawn_row(db, name="another", idempotency_key=second)

    assert again == task | {"created": False}
    assert db.one("select task_name from absurd.task") == "work"


@pytest.mark.parametrize("ended", ["completed", "failed", "cancelled"])
def test_a_key_outlives_the_end_of_its_task_and_goes_with_its_row(db: Database, ended: str) -> None:
    first = spawn(db, idempotency_key="k")
    task = claim_one(db)
    if ended == "completed":
        complete(db, task)
    elif ended == "failed":
        run(db, "select absurd.fail_run(%s, %s, '{}', p_retryable => false)", Q, task["run_id"])
    else:
        run(db, "select absurd.cancel_task(%s, %s)", Q, first)
    assert spawn(db, idempotency_key="k") == first
    db.clock.set(at(1))
    run(db, "select absurd.cleanup_tasks(%s, 0)", Q)

    row = spawn_row(db, idempotency_key="k")

    assert row["created"]
    assert row["task_id"] != first


def test_a_key_belongs_to_its_queue(db: Database) -> None:
    run(db, "select absurd.create_queue('r')")

    assert spawn(db, idempotency_key="k") != spawn(db, queue="r", idempotency_key="k")


def test_bad_arguments_are_refused_for_a_known_key_too(db: Database) -> None:
    spawn(db, idempotency_key="k")

    with expect_error("P0001", "max_attempts must be >= 1"):
        spawn(db, idempotency_key="k", max_attempts=0)


def test_a_batch_answers_in_the_order_given_and_knows_its_keys(db: Database) -> None:
    known = spawn(db, idempotency_key="k")
    tasks = [{"task_name": f"t{n}", "params": n, "options": {"idempotency_key": k} if k else {}} for n, k in enumerate("xkx")]
    tasks.insert(1, {"task_name": "free"})

    rows = run(db, "select * from absurd.spawn_tasks(%s, %s)", Q, json.dumps(tasks))

    assert [(r["ordinal"], r["attempt"]) for r in rows] == [(1, 1), (2, 1), (3, 1), (4, 1)]
    assert rows[2]["task_id"] == known
    assert rows[3]["task_id"] == rows[0]["task_id"]
    assert [r["created"] for r in rows].count(True) == 2
    assert not rows[2]["created"]


@pytest.mark.parametrize("tasks", [None, "null", "{}", '"x"'])
def test_a_batch_is_an_array(db: Database, tasks: str | None) -> None:
    with expect_error("TW301"):
        run(db, "select * from absurd.spawn_tasks(%s, %s)", Q, tasks)


@pytest.mark.parametrize("task", [{}, {"task_name": ""}, {"task_name": None}, 5, None, []])
def test_a_batch_with_a_nameless_task_is_refused_whole(db: Database, task: Any) -> None:
    with expect_error("P0001", "task_name must be provided"):
        run(db, "select * from absurd.spawn_tasks(%s, %s)", Q, json.dumps([{"task_name": "ok"}, task]))

    assert nothing_stored(db)


def test_an_empty_batch_spawns_nothing(db: Database) -> None:
    assert run(db, "select * from absurd.spawn_tasks(%s, '[]')", Q) == []


@pytest.mark.parametrize(("state", "code"), [("sleeping", None), ("completed", "TW301"), ("failed", "TW301"), ("cancelled", "AB001")])
def test_a_task_that_is_over_has_no_more_children(db: Database, state: str, code: str | None) -> None:
    parent = task_in(db, state)["task_id"]
    if code is None:
        spawn(db, parent_task_id=parent)
        return

    with expect_error(code):
        spawn(db, parent_task_id=parent)


@pytest.mark.parametrize("batch", [False, True])
def test_a_child_of_a_stale_claim_is_refused(db: Database, *, batch: bool) -> None:
    parent = running(db)
    db.clock.set(at(31))
    claim_one(db)
    options = {"parent_task_id": str(parent["task_id"])}

    with expect_error("TW201"):
        if batch:
            tasks = json.dumps([{"task_name": "child", "options": options}])
            run(db, "select * from absurd.spawn_tasks(%s, %s, %s)", Q, tasks, parent["claim_epoch"])
        else:
            run(db, "select * from absurd.spawn_task(%s, 'child', '1', %s, %s)", Q, json.dumps(options), parent["claim_epoch"])


@pytest.mark.parametrize("call", ["spawn_task(%s, 'w', '1')", "spawn_tasks(%s, '[]')"])
def test_spawning_on_an_unknown_queue_is_a_missing_relation(db: Database, call: str) -> None:
    with expect_error("42P01", 'relation "absurd.t_nowhere" does not exist'):
        run(db, f"select absurd.{call}", "nowhere")
    with expect_error("22004"):
        run(db, f"select absurd.{call}", None)


def test_a_delay_smaller_than_a_double_can_be_is_none(db: Database) -> None:
    assert spawn_row(db, delay_seconds="1e-999")["created"]
    assert db.rows("select state, available_at = absurd.current_time() from absurd.task") == [("pending", True)]
