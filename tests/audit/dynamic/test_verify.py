"""verify --scratch: every change of state that happens was read; one that was not is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tollway.audit.analysis import Analysis, read, read_sources
from tollway.audit.commands import main
from tollway.audit.config import Config, read_config
from tollway.audit.load.code import Source
from tollway.audit.scratch import Comparison, compare, install, moves, put_probes
from tollway.embedded import EmbeddedPostgres

HERE = Path(__file__).resolve().parent
SQL = HERE.parents[2] / "src" / "tollway" / "sql"
OURS = ["--before", str(HERE / "before.sql"), "--driver", str(HERE / "exercise.py"), "--config", str(SQL / "tollway-audit.toml"), str(SQL)]


def test_every_move_of_our_schema_was_read(server: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["verify", "--scratch", "--dsn", server.dsn, *OURS])

    out = capsys.readouterr().out
    assert (code, "UNEXPLAINED" in out) == (0, False), out
    assert "1 tables probed" in out
    assert out.count("not exercised:") <= 1
    with psycopg.connect(server.dsn) as connection:
        assert connection.execute("select datname from pg_database where datname like 'tollway_audit%'").fetchall() == []


def test_verify_asks_before_it_makes_a_database(server: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--dsn", server.dsn, *OURS]) == 2
    assert "say --scratch" in capsys.readouterr().err


def test_a_driver_that_fails_is_an_error(server: EmbeddedPostgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.sql").write_text("create table t (state text check (state in ('pending', 'done')));")
    (tmp_path / "d.sql").write_text("select 1;\nselect absent();")

    assert main(["verify", "--scratch", "--dsn", server.dsn, "--driver", str(tmp_path / "d.sql"), str(tmp_path / "s.sql")]) == 2
    assert "d.sql:2: function absent() does not exist" in capsys.readouterr().err


JOBS = """
create schema app;
create table app.parent (id int primary key);
create function app.make(q text) returns void language plpgsql as $$
begin
  execute format('create table app.r_%s (id int, state text not null, parent int references app.parent on delete cascade)', q);
end $$;
create function app.add(q text, i int) returns void language plpgsql as $$
begin
  execute 'insert into app.r_' || q || ' values ($1, ''new'')' using i;
end $$;
create function app.finish(q text) returns void language plpgsql as $$
begin
  if true then
    execute format(
      'update app.%I set state = %L', 'r_' || q, 'done');
  end if;
end $$;
create table app.orders (id int primary key, state text not null default 'new');
create function app.pay(i int) returns void language sql as $$
  select 1;
  update app.orders set state = 'paid' where id = i;
$$;
create function app.merge(i int) returns void language plpgsql as $$
begin
  perform 1;
  with gone as (
    delete from app.orders where id = i returning id)
  insert into app.orders select id, 'again' from gone;
end $$;
"""
DRIVER = [
    "select app.make('a')", "select app.add('a', 1)", "select app.finish('a')", "insert into app.orders values (1)",
    "select app.pay(1)", "update app.orders set id = 2", "select app.merge(2)",
]  # fmt: skip
CONFIG = Config(state=("app.r_*.state", "app.orders.state"))


@pytest.fixture
def driven(empty: psycopg.Connection) -> Callable[..., Comparison]:
    """driven(analysis, more) -> what the probes say of the jobs, run in an empty database."""

    def run(analysis: Analysis, *more: str) -> Comparison:
        install(empty, [Source("jobs.sql", JOBS)])
        put_probes(empty, analysis.states)
        for call in (*DRIVER, *more):
            empty.execute(call)
        return compare(analysis, moves(empty))

    return run


def test_dynamic_tables_sql_functions_and_ctes_are_placed_by_their_line(driven: Callable[..., Comparison]) -> None:
    found = driven(read_sources(CONFIG, [Source("jobs.sql", JOBS)]))

    assert found.unexplained == []
    assert {(m.event, w.routine, m.relation) for m, w in found.explained} == {
        ("insert", "app.add/2", "app.r_a"), ("update", "app.finish/1", "app.r_a"), ("update", "app.pay/1", "app.orders"),
        ("delete", "app.merge/1", "app.orders"), ("insert", "app.merge/1", "app.orders"),
    }  # fmt: skip
    assert found.idle == []
    # the driver's own INSERT; its UPDATE of the id leaves the state as it is
    assert [(m.event, m.relation) for m in found.by_driver] == [("insert", "app.orders")]


def test_a_place_that_nothing_reached_is_listed(driven: Callable[..., Comparison]) -> None:
    more = "create function app.never(i int) returns void language sql as $$ delete from app.orders where id = i $$;"

    found = driven(read_sources(CONFIG, [Source("jobs.sql", JOBS + more)]))
    assert [w.routine for w in found.idle] == ["app.never/1"]


def test_a_cascade_is_not_taken_for_a_statement(driven: Callable[..., Comparison]) -> None:
    analysis = read_sources(CONFIG, [Source("jobs.sql", JOBS)])

    found = driven(analysis, "insert into app.parent values (1)", "update app.r_a set parent = 1", "delete from app.parent")
    assert ("delete", "app.r_a") in {(m.event, m.relation) for m in found.by_driver}
    assert found.unexplained == []


@pytest.mark.parametrize("routine", ["app.finish/1", "app.pay/1", "app.add/2"])
def test_a_write_hidden_from_the_facts_is_named(driven: Callable[..., Comparison], routine: str) -> None:
    """The positive control: what the auditor did not read, the probe sees."""
    analysis = read_sources(CONFIG, [Source("jobs.sql", JOBS)])
    analysis.facts.writes[:] = [w for w in analysis.facts.writes if w.routine != routine]

    ((move, why),) = driven(analysis).unexplained
    assert routine.split("/")[0].endswith(move.frames[0].function)  # the server gives an SQL function's name without its schema
    assert why == "the statement was read, but not as a change of state"


def test_a_function_that_was_not_given_is_named(driven: Callable[..., Comparison]) -> None:
    text = JOBS[: JOBS.index("create function app.merge")]

    found = driven(read_sources(CONFIG, [Source("jobs.sql", text)]))
    assert {why for _, why in found.unexplained} == {"app.merge was not read"}


def test_one_write_of_our_schema_hidden_is_named(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def blind(config: Config, paths: list[str]) -> Analysis:
        analysis = read(config, paths)
        analysis.facts.writes[:] = [w for w in analysis.facts.writes if w.routine != "absurd.complete_run/4"]
        return analysis

    monkeypatch.setattr("tollway.audit.dynamic.read", blind)
    code = main(["verify", "--scratch", "--dsn", server.dsn, *OURS])

    out = capsys.readouterr().out
    assert code == 1
    assert out.count("UNEXPLAINED") == 1
    assert "by absurd.complete_run:" in out
    assert read_config(SQL / "tollway-audit.toml").state == ("absurd.task.state",)
