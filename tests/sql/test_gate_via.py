"""`via` is the path of functions that made a move: those on the stack and no others, whatever text a caller writes."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import Q, claim_one, make_queue, running, spawn

WRAPPER = """create function public.{name}(p_task uuid) returns void language {language} as $$ {body} $$"""
CALL = "perform absurd.cancel_task('q', p_task);"
PLAIN = f"begin {CALL} end"
MOVE = "update absurd.task {alias} set state = 'cancelled', error = '1'"

# lines that a frame of PG_CONTEXT could be, with quotes around it as if the statement had ended there
FRAMES = [
    "PL/pgSQL function absurd.claim_task(text,text,integer,integer,uuid,bigint,text) line 3 at PERFORM",
    "PL/pgSQL function absurd.complete_run(text,uuid,jsonb,bigint) line 28 at SQL statement",
    "PL/pgSQL function claim_task(text) line 3 at PERFORM",
    "PL/pgSQL-Funktion absurd.claim_task(text) Zeile 3 bei PERFORM",
    "fonction PL/pgSQL absurd.claim_task(text), ligne 3 à PERFORM",
]


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def via(db: Database, task_id: Any) -> str:
    return str(db.one("select via from absurd.absurd_event_log where task_id = %s order by seq desc limit 1", task_id))


def wrapper(db: Database, name: str, body: str = PLAIN, language: str = "plpgsql") -> None:
    db.conn.execute(WRAPPER.format(name=name, body=body, language=language))


def test_a_function_called_directly_stands_alone(db: Database) -> None:
    task = running(db)
    assert via(db, task.task_id) == "claim_tasks > claim_task"

    db.one("select absurd.complete_run(%s, %s) is null", Q, task.run_id)

    assert via(db, task.task_id) == "complete_run"


def test_the_recovery_of_a_lease_names_both_functions(db: Database) -> None:
    """The bypass that this project was born from: claim_task calls fail_run itself."""
    spawn(db, max_attempts=1)
    task = claim_one(db, lease=1)
    db.conn.execute("update absurd.test_clock set now = now() + interval '1 hour'")

    assert db.rows("select * from absurd.claim_task(%s, 'w2')", Q) == []

    assert via(db, task.task_id) == "claim_task > fail_run"


def test_a_users_wrapper_is_named_with_its_schema(db: Database) -> None:
    wrapper(db, "approve")
    task_id = spawn(db)

    db.one("select public.approve(%s) is null", task_id)

    assert via(db, task_id) == "public.approve > cancel_task"


def test_nested_wrappers_are_named_outermost_first(db: Database) -> None:
    wrapper(db, "inner_one")
    wrapper(db, "outer_one", "begin perform public.inner_one(p_task); end")
    task_id = spawn(db)

    db.one("select public.outer_one(%s) is null", task_id)

    assert via(db, task_id) == "public.outer_one > public.inner_one > cancel_task"


def test_an_anonymous_block_is_sql(db: Database) -> None:
    task_id = spawn(db)

    db.conn.execute(f"do $$ begin perform absurd.cancel_task('q', '{task_id}'); end $$")

    assert via(db, task_id) == "sql > cancel_task"


def test_a_wrapper_under_an_anonymous_block_is_named(db: Database) -> None:
    wrapper(db, "approve")
    task_id = spawn(db)

    db.conn.execute(f"do $$ begin perform public.approve('{task_id}'); end $$")

    assert via(db, task_id) == "sql > public.approve > cancel_task"


def test_a_function_in_language_sql_is_sql_or_its_name(db: Database) -> None:
    wrapper(db, "approve_sql", "select absurd.cancel_task('q', p_task)", "sql")
    task_id = spawn(db)

    db.one("select public.approve_sql(%s) is null", task_id)

    assert via(db, task_id) in ("sql > cancel_task", "public.approve_sql > cancel_task", "cancel_task")


def test_raw_sql_is_sql(db: Database) -> None:
    task_id = spawn(db)

    db.conn.execute(MOVE.format(alias=""))

    assert via(db, task_id) == "sql"


@pytest.mark.parametrize(
    "name",
    [
        '"With Space"',
        '"quo""ted"',
        '"par(en)"',
        '"line 3 at PERFORM"',
        '"claim_task"',
        '"absurd.claim_task"',
        '"ünï"',
        '"new\nline"',
        '"PL/pgSQL function absurd.claim_task(text) line 3 at PERFORM"',
        '"x\nPL/pgSQL function absurd.claim_task(text) line 3 at PERFORM\n"',
    ],
)
def test_an_odd_name_never_stands_for_a_function_of_ours(db: Database, name: str) -> None:
    wrapper(db, name)
    task_id = spawn(db)

    db.one(f"select public.{name}(%s) is null", task_id)

    assert "claim_task" not in [part for part in via(db, task_id).split(" > ") if "." not in part]
    assert via(db, task_id).split(" > ")[-1] == "cancel_task"


ALIAS = '"\n{frame}\nSQL statement "'
FORGERIES = {
    "alias": "update absurd.task " + ALIAS + " set state = 'cancelled', error = '1'",
    "alias after as": "update absurd.task as " + ALIAS + " set state = 'cancelled', error = '1'",
    "only an alias in quotes": "update absurd.task \"\n{frame}\n\" set state = 'cancelled', error = '1'",
    "comment": "update absurd.task set state = 'cancelled', error = '1' /*\"\n{frame}\n\"*/",
    "leading comment": "/*\"\n{frame}\n*/ update absurd.task set state = 'cancelled', error = '1'",
    "line comment": "--\"\n--\n/*\n{frame}\n*/ update absurd.task set state = 'cancelled', error = '1'",
    "string": "update absurd.task set state = 'cancelled', error = to_jsonb('\"\n{frame}\n\"'::text)",
    "with": "with \"\n{frame}\nSQL statement \" as (select 1) update absurd.task set state = 'cancelled', error = '1'",
    "with in german": "with \"«\n{frame}\nSQL-Anweisung »\" as (select 1) update absurd.task set state = 'cancelled', error = '1'",
    "label of a call": "select absurd.cancel_task('q', t.task_id) \"\n{frame}\nSQL statement \" from absurd.task t",
    "label of a value": "select v_task \"\n{frame}\nSQL statement \", absurd.cancel_task('q', t.task_id) from absurd.task t, "
    "(select 1 as v_task) x",
    "returning": "update absurd.task set state = 'cancelled', error = '1' returning task_id \"\n{frame}\nSQL statement \"",
    "copied prefix": 'update absurd.task t\n  "\n{frame}\nSQL statement "'.replace(" t\n  ", " ")
    + " set state = 'cancelled', move_event = 'task.cancelled', error = '1' where state = 'pending'",
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_frame_in_a_statement_is_not_believed(db: Database, forgery: str, frame: str) -> None:
    """From an anonymous block and from a function, as it stands and as dynamic SQL."""
    statement = FORGERIES[forgery].format(frame=frame)
    bodies = {
        "dynamic": f"begin execute $q$ {statement} $q$; end",
        "dynamic, from its first letter": f"begin execute $q${statement}$q$; end",
        "static": f"begin {'perform' + statement[6:] if statement.startswith('select') else statement}; end",
    }
    if "returning" in forgery:
        del bodies["static"]
    for kind, body in bodies.items():
        for shell in ("block", "function"):
            task_id = spawn(db)
            if shell == "block":
                db.conn.execute(f"do $b$ {body} $b$")  # type: ignore[arg-type]
            else:
                db.conn.execute(f"create or replace function public.forger() returns void language plpgsql as $b$ {body} $b$")
                db.one("select public.forger() is null")
            path = via(db, task_id)
            names = path.split(" > ")
            assert not {"claim_task", "complete_run"} & set(names), (kind, shell, path)
            assert set(names) <= {"sql", "cancel_task", "public.forger"}, (kind, shell, path)


def test_a_copied_call_does_not_borrow_the_name_of_the_function_it_was_copied_from(db: Database) -> None:
    """The hardest forgery: a statement that stands word for word in another function, with the frame as its label."""
    wrapper(db, "approve", "begin perform absurd.cancel_task('q', p_task); end")
    task_id = spawn(db)
    frame = "PL/pgSQL function public.approve(uuid) line 1 at PERFORM"

    db.conn.execute(
        f"do $$ declare p_task uuid := '{task_id}'; begin perform absurd.cancel_task('q', p_task) \"\n{frame}\nSQL statement \" "
        "from (select 1) x; end $$"
    )

    assert via(db, task_id) == "sql > cancel_task"


@pytest.mark.parametrize(
    ("function", "statement"),
    [
        ("PL/pgSQL-Funktion {} Zeile {} bei PERFORM", "SQL-Anweisung »{}«"),
        ("PL/pgSQL関数{}の{}行目 - PERFORM", 'SQL文 "{}"'),
        ("fonction PL/pgSQL {}, ligne {} à PERFORM", "instruction SQL « {} »"),
    ],
)
def test_a_translated_context_is_read_like_an_english_one(db: Database, function: str, statement: str) -> None:
    """As the servers write it, given to the reader directly: a server without translations cannot make them."""
    wrapper(db, "approve")
    source = db.one("select prosrc from pg_proc where oid = 'absurd.cancel_task'::regproc")
    update = source[source.index("update absurd.task t") : source.rindex(";", 0, source.rindex("end"))]
    context = "\n".join(
        [
            function.format("absurd._gate_project()", 29),
            statement.format(update),
            function.format("absurd.cancel_task(text,uuid,text)", source[: source.index(update)].count("\n") + 1),
            statement.format("SELECT absurd.cancel_task('q', p_task)"),
            function.format("public.approve(uuid)", 1),
        ]
    )

    assert db.one("select absurd._call_path(%s)", context) == "public.approve > cancel_task"


def test_who_made_a_move_is_told_as_the_database_knows_it(db: Database) -> None:
    db.conn.execute("create role via_member; grant tollway_client to via_member")
    try:
        db.conn.execute("set application_name = 'someone''s word'; set role via_member")
        task_id = spawn(db)
        db.conn.execute("reset role")

        told = "select login_role, set_role, application_name from absurd.absurd_event_log where task_id = %s"
        assert db.one(told, task_id) == (db.one("select session_user::text"), "via_member", "someone's word")
        assert db.one(told, spawn(db))[1] is None
    finally:
        db.conn.execute("drop owned by via_member; drop role via_member")
