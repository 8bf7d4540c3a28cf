"""Who calls whom in Python, and what SQLAlchemy writes."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tollway.audit.model import Facts
from tollway.audit.python import scan

MODELS = """
    from sqlalchemy import Column, MetaData, String, Table, delete, insert, select, update
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    class Base(DeclarativeBase):
        pass

    class Run(Base):
        __tablename__ = "runs"
        __table_args__ = {"schema": "app"}
        id: Mapped[int] = mapped_column(primary_key=True)
        status: Mapped[str] = mapped_column("state")
        error = Column(String)

    class Plain:
        status = "x"

    jobs = Table("jobs", MetaData(), schema="app")
"""


def read(folder: Path, **files: str) -> Facts:
    for name, text in files.items():
        path = folder / f"{name.replace('_DOT_', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return scan([folder])


def edges(facts: Facts) -> set[tuple[str, str]]:
    return {(c.source, c.target) for c in facts.calls}


ORM = {
    "update": ("session.execute(update(Run).where(Run.id == 1).values(status='failed'))", "update", "app.runs", ("state",), 1.0),
    "a dictionary of values": (
        "session.execute(update(Run).values({'status': 'x', 'error': e}))",
        "update",
        "app.runs",
        ("state", "error"),
        1.0,
    ),
    "insert": ("session.execute(insert(Run).values(status='x'))", "insert", "app.runs", ("state",), 1.0),
    "delete": ("session.execute(delete(Run))", "delete", "app.runs", (), 1.0),
    "a table": ("session.execute(jobs.update().values(state='x'))", "update", "app.jobs", ("state",), 1.0),
    "a variable": (
        "stmt = update(Run)\n    stmt = stmt.values(status='x')\n    session.execute(stmt)",
        "update",
        "app.runs",
        ("state",),
        1.0,
    ),
    "never sent": ("return update(Run).values(status='x')", "update", "app.runs", ("state",), 0.5),
    "a query": ("session.query(Run).filter_by(id=1).update({'status': 'x'})", "update", "app.runs", ("state",), 1.0),
    "a query's delete": ("session.query(Run).filter_by(id=1).delete()", "delete", "app.runs", (), 1.0),
    "an attribute": ("run = session.get(Run, 1)\n    run.status = 'failed'", "update", "app.runs", ("state",), 0.5),
    "an attribute of a parameter": ("given.status = 'failed'", "update", "app.runs", ("state",), 0.5),
    "an attribute in a loop": ("for run in session.scalars(select(Run)):\n        run.status = 'x'", "update", "app.runs", ("state",), 0.5),
    "setattr": ("setattr(given, 'status', 'x')", "update", "app.runs", ("state",), 0.5),
    "a new row": ("session.add(Run(status='pending'))", "insert", "app.runs", ("state",), 1.0),
    "a deleted row": ("session.delete(given)", "delete", "app.runs", (), 1.0),
}


@pytest.mark.parametrize("case", ORM)
def test_sqlalchemy_writes(tmp_path: Path, case: str) -> None:
    code, verb, relation, columns, confidence = ORM[case]
    app = f"from models import Run, jobs, update, insert, delete, select\ndef work(session, e, given: Run | None):\n    {code}\n"
    facts = read(tmp_path, models=MODELS, app=app)

    assert [(w.verb, w.relation, w.columns, w.confidence) for w in facts.writes] == [(verb, relation, columns, confidence)]
    assert facts.writes[0].routine == "app:work"


def test_an_attribute_of_an_ordinary_class_is_no_write(tmp_path: Path) -> None:
    facts = read(
        tmp_path, models=MODELS, app="from models import Plain\ndef work(p: Plain):\n    p.status = 'x'\n    Plain().status = 'y'\n"
    )

    assert facts.writes == []


def test_the_wrapper_around_an_sql_call_is_found_through_the_package(tmp_path: Path) -> None:
    facts = read(
        tmp_path,
        pkg_DOT___init__="from pkg.db import Database\n",
        pkg_DOT_db="""
            class Database:
                def __init__(self, conn):
                    self.conn = conn

                def run(self, query, *args):
                    return self.conn.execute(query, args)
        """,
        pkg_DOT_engine="""
            from . import Database

            class Base:
                def __init__(self, conn):
                    self.db = Database(conn)

                def _fail(self, run):
                    self.db.run("select engine.fail_run(%s)", run)

            class Engine(Base):
                def fail(self, run):
                    self._fail(run)
                    record(run)

                def _fail(self, run):
                    super()._fail(run)

            def record(run):
                pass
        """,
        pkg_DOT_main="""
            import asyncio
            from pkg.engine import Engine as E
            import pkg.engine as engine

            async def main(conn):
                e = E(conn)
                await asyncio.to_thread(e.fail, 1)
                engine.record(1)

            class Holder:
                def __init__(self, engine: "E"):
                    self.engine = engine

                def go(self):
                    self.engine.fail(1)
        """,
    )

    assert edges(facts) >= {
        ("pkg.engine:Base._fail", "engine.fail_run"),
        ("pkg.engine:Base._fail", "pkg.db:Database.run"),
        ("pkg.engine:Engine.fail", "pkg.engine:Engine._fail"),
        ("pkg.engine:Engine._fail", "pkg.engine:Base._fail"),
        ("pkg.engine:Engine.fail", "pkg.engine:record"),
        ("pkg.main:main", "pkg.engine:Engine.fail"),
        ("pkg.main:main", "pkg.engine:record"),
        ("pkg.main:Holder.go", "pkg.engine:Engine.fail"),
    }
    assert ("pkg.db:Database.run", "engine.fail_run") not in edges(facts)
    assert facts.unknowns == []


def test_what_a_function_hands_over_is_a_maybe(tmp_path: Path) -> None:
    facts = read(tmp_path, app="def fail():\n    pass\n\ndef work(pool):\n    pool.submit(fail)\n    fail()\n")

    assert [(c.target, c.guards) for c in facts.calls] == [("app:fail", ("maybe",)), ("app:fail", ())]


def test_a_helper_that_makes_the_name(tmp_path: Path) -> None:
    code = """
        def table(queue):
            return f"engine.r_{queue}"

        class Store:
            TABLE = "engine.log"

            def fail(self, conn, queue):
                conn.execute(f"update {table(queue)} set state = 'failed'")
                conn.execute(f"insert into {self.TABLE} (state) values (%s)")
    """
    facts = read(tmp_path, app=code)

    assert [(w.verb, w.relation, w.columns) for w in facts.writes] == [
        ("update", "engine.r_*", ("state",)),
        ("insert", "engine.log", ("state",)),
    ]


def test_a_nested_function_is_its_own_routine(tmp_path: Path) -> None:
    code = """
        class Store:
            def fail(self, conn):
                def inner():
                    conn.execute("delete from r where id = 1")
                    self.note()
                inner()

            def note(self):
                pass
    """
    facts = read(tmp_path, app=code)

    assert [w.routine for w in facts.writes] == ["app:Store.fail.inner"]
    assert edges(facts) >= {("app:Store.fail", "app:Store.fail.inner"), ("app:Store.fail.inner", "app:Store.note")}


def test_routines_have_place_and_hash(tmp_path: Path) -> None:
    first = read(tmp_path, app="\ndef work(conn):\n    conn.execute('delete from r')\n").routines
    second = read(tmp_path, app="\n\ndef work(conn):\n    conn.execute('delete from r')\n").routines

    assert (first[0].id, first[0].language, first[0].span.line, first[0].line_end) == ("app:work", "python", 2, 3)
    assert second[0].span.line == 3
    assert first[0].body_hash == second[0].body_hash


def test_a_wrapper_is_seen_though_the_project_has_an_execute_of_its_own(tmp_path: Path) -> None:
    code = """
        class Job:
            def execute(self):
                pass

        class Store:
            async def _run(self, statement, *params):
                await self.conn.execute(statement, params)

            async def fail(self):
                await self._run("update engine.r set state = 'failed' where id = %s", 1)
    """
    facts = read(tmp_path, app=code)

    assert [(w.routine, w.relation) for w in facts.writes] == [("app:Store.fail", "engine.r")]
    assert facts.unknowns == []
