"""A user's own functions keep their places in the path of the log, however they take our answer."""

from __future__ import annotations

import pytest

from fixtures.database import Database
from sql import helpers as h

TAKES = (
    "select task_id into v from absurd.spawn_task('q', 'n', '1');",
    "select task_id, run_id\n  into v, w\n  from absurd.spawn_task('q', 'n', '1');",
    "select s.task_id into strict v from absurd.spawn_task('q', 'n', '1') s;",
    "select task_id from absurd.spawn_task('q', 'n', '1') into v;",
    "v := (select task_id from absurd.spawn_task('q', 'n', '1'));",
    "perform absurd.spawn_task('q', 'n', '1');",
    "for v in select task_id from absurd.spawn_task('q', 'n', '1') loop null; end loop;",
)


@pytest.mark.parametrize("take", TAKES)
def test_a_function_between_is_named_in_the_path(db: Database, take: str) -> None:
    h.prepare(db)
    db.conn.execute(f"create function public.inner_one() returns void language plpgsql as $$ declare v uuid; w uuid; begin\n{take} end $$")
    db.conn.execute("create function public.outer_one() returns void language plpgsql as $$ begin perform public.inner_one(); end $$")

    db.conn.execute("select public.outer_one()")

    assert db.rows("select via from absurd.absurd_event_log") == [("public.outer_one > public.inner_one > spawn_task",)]


def test_what_only_looks_like_that_statement_is_not_believed(db: Database) -> None:
    """A dynamic statement with a forged frame in it still stands nowhere."""
    h.prepare(db)
    db.conn.execute(
        """create function public.outer_one(p text) returns void language plpgsql as $$
           declare v uuid; begin execute p; end $$"""
    )
    frame = "PL/pgSQL function absurd.complete_run(text,uuid,jsonb,bigint) line 20 at SQL statement"
    forged = f"select /*\n{frame}\n*/ absurd.spawn_task('q','n','1')"

    db.conn.execute("select public.outer_one(%s)", (forged,))

    ((via,),) = db.rows("select via from absurd.absurd_event_log")
    assert "complete_run" not in via
