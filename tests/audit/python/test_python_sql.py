"""SQL in Python: every way to write it down is read, and ordinary words are not."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tollway.audit.model import Call, Facts, Routine, Span, Write
from tollway.audit.python import scan

FUNCTIONS = [
    Routine("engine.fail_run/2", "engine.fail_run", ("p_run", "p_error"), Span("engine.sql", 1), 9, "plpgsql", min_args=1),
    Routine("engine.fail_run/4", "engine.fail_run", ("a", "b", "c", "d"), Span("engine.sql", 10), 19, "plpgsql", min_args=4),
    Routine("engine.claim/1", "engine.claim", ("p_queue",), Span("engine.sql", 20), 29, "plpgsql", min_args=1),
]


def read(folder: Path, code: str) -> Facts:
    (folder / "app.py").write_text(dedent(code))
    return scan([folder], FUNCTIONS)


def shown(writes: list[Write]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(w.verb, w.relation, w.columns) for w in writes]


def targets(calls: list[Call]) -> list[str]:
    return sorted({c.target for c in calls})


WRITES = {
    "a plain string": ("conn.execute('update engine.r set state = %s where id = %s', (a, b))", "update", "engine.r", ("state",)),
    "implicit concatenation": ("conn.execute('update engine.r '\n        'set state = %s')", "update", "engine.r", ("state",)),
    "a computed name": ("conn.execute(f'update engine.r_{q} set state = 1')", "update", "engine.r_*", ("state",)),
    "a computed schema": ("conn.execute(f'delete from {schema}.runs where id = 1')", "delete", "*.runs", ()),
    "a computed assignment list": ("conn.execute(f'update engine.r set {sets} where id = 1')", "update", "engine.r", ("*",)),
    "a computed condition": ("conn.execute(f'update engine.r set state = 1 {where}')", "update", "engine.r", ("state",)),
    "psycopg's sql module": (
        "conn.execute(sql.SQL('update {} set state = %s').format(sql.Identifier('engine', f'r_{q}')))",
        "update",
        "engine.r_*",
        ("state",),
    ),
    "a named place": ("conn.execute(SQL('delete from {t}').format(t=Identifier('r')))", "delete", "r", ()),
    "a joined list": (
        "parts = ['state = %s']\n    parts.append('error = %s')\n    conn.execute('update r set ' + ', '.join(parts))",
        "update",
        "r",
        ("state", "error"),
    ),
    "a list that may grow": (
        "parts = ['state = %s']\n    if error:\n        parts.append('error = %s')\n    conn.execute('update r set ' + ', '.join(parts))",
        "update",
        "r",
        ("state", "error"),
    ),
    "a comprehension": ("conn.execute('update r set ' + ', '.join(f'{c} = %s' for c in ('state', 'at')))", "update", "r", ("state", "at")),
    "percent formatting": ("conn.execute('update %s set state = %%s' % 'engine.r', (1,))", "update", "engine.r", ("state",)),
    "str.format": ("conn.execute('insert into {} (state) values (1)'.format(t))", "insert", "*", ("state",)),
    "+=": ("q = 'update r '\n    q += 'set state = 1'\n    conn.execute(q)", "update", "r", ("state",)),
    "named parameters of psycopg": ("conn.execute('update r set state = %(state)s::text', d)", "update", "r", ("state",)),
    "named parameters of SQLAlchemy": ("conn.execute(text('update r set state = :state where a::int = :a'))", "update", "r", ("state",)),
    "numbered parameters": ("await conn.fetchrow('update r set state = $1 returning *', s)", "update", "r", ("state",)),
    "executemany": ("cur.executemany('insert into r (state) values (%s)', rows)", "insert", "r", ("state",)),
    "copy": ("cur.copy('copy engine.r (id, state) from stdin')", "copy", "engine.r", ("id", "state")),
    "a CTE": ("conn.execute('with x as (delete from r returning *) select * from x')", "delete", "r", ()),
    "merge": ("conn.execute('merge into r using s on r.a = s.a when matched then update set state = s.b')", "merge", "r", ("state",)),
    "truncate": ("conn.execute('truncate r')", "truncate", "r", ()),
    "an upsert": (
        "conn.execute('insert into r (id) values (1) on conflict (id) do update set state = excluded.state')",
        "insert",
        "r",
        ("id", "state"),
    ),
    "a constant of the module": ("conn.execute(FAIL)", "update", "engine.r", ("state",)),
    "a dictionary of queries": ("conn.execute(QUERIES['fail'], (1,))", "update", "engine.q", ("state",)),
    "a comment before the verb": ("conn.execute('-- note\\n  update r set state = 1')", "update", "r", ("state",)),
    "either of two texts": ("conn.execute('update r set state = 1' if a else 'select 1')", "update", "r", ("state",)),
}


@pytest.mark.parametrize("case", WRITES)
def test_a_write_is_found_however_it_is_written(tmp_path: Path, case: str) -> None:
    code, verb, relation, columns = WRITES[case]
    header = "from psycopg import sql\nfrom psycopg.sql import SQL, Identifier\nfrom sqlalchemy import text\n"
    header += "FAIL = 'update engine.r set state = 1'\n" if "FAIL" in code else ""
    header += "QUERIES = {'fail': 'update engine.q set state = 1', 'get': 'select 1'}\n" if "QUERIES" in code else ""
    facts = read(tmp_path, f"{header}async def work(conn, cur, q, schema, sets, where, rows, a, b, d, s, t, error):\n    {code}\n")

    assert shown(facts.writes) == [(verb, relation, columns)]
    assert facts.writes[0].routine == "app:work"
    assert facts.unknowns == []


NOT_WRITES = {
    "a docstring": '"""Update engine.r set state = failed where id = 1."""',
    "a log line": "log.info('delete from runs where id = 1')",
    "an error": "raise ValueError('insert into r (a) values (1) failed')",
    "a label": "button('Delete from cart')",
    "prose": "send(subject='Update your profile set', body='truncate')",
    "a lock": "conn.execute('select * from r where id = 1 for update skip locked')",
    "a comment in SQL": "conn.execute('select 1 -- update r set state = 1')",
    "a string in SQL": "conn.execute(\"select 'delete from r'\")",
    "another executor": "executor.execute(job)",
    "a row that is read": "cur.fetchone()",
}


@pytest.mark.parametrize("case", NOT_WRITES)
def test_ordinary_words_are_no_writes(tmp_path: Path, case: str) -> None:
    facts = read(tmp_path, f"def work(conn, cur, log, executor, job):\n    {NOT_WRITES[case]}\n")

    assert facts.writes == []
    assert facts.unknowns == []


CALLS = {
    "select": ("conn.execute('select engine.fail_run(%s, %s)', (a, b))", ["engine.fail_run/2"]),
    "select from": ("conn.execute('select * from engine.claim(%s)')", ["engine.claim/1"]),
    "without a schema": ("conn.execute('select claim($1)')", ["engine.claim/1"]),
    "overloads by number of arguments": ("conn.execute('select engine.fail_run($1, $2, $3, $4)')", ["engine.fail_run/4"]),
    "a default is left out": ("conn.execute('select engine.fail_run($1)')", ["engine.fail_run/2"]),
    "no overload fits: both": ("conn.execute('select engine.fail_run($1, $2, $3)')", ["engine.fail_run/2", "engine.fail_run/4"]),
    "a computed schema": ("conn.execute(f'select {schema}.claim(1)')", ["engine.claim/1"]),
    "a function that nobody declared": ("conn.execute('select other.thing(1), now(), coalesce(1, 2)')", ["other.thing"]),
    "call": ("conn.execute('call engine.claim(%s)')", ["engine.claim/1"]),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_call_of_an_sql_function_is_resolved(tmp_path: Path, case: str) -> None:
    code, expected = CALLS[case]

    assert targets(read(tmp_path, f"def work(conn, a, b, schema):\n    {code}\n").calls) == expected


def test_a_line_is_that_of_the_verb(tmp_path: Path) -> None:
    code = '''
        def work(conn, q):
            conn.execute(
                f"""
                with late as (select 1)
                update engine.r_{q}
                   set state = 'failed'
                """,
            )
            conn.execute(
                "select 1 "
                "from engine.claim(%s)",
            )
    '''
    facts = read(tmp_path, code)

    assert (facts.writes[0].span.line, facts.writes[0].span.col) == (6, 9)
    assert facts.writes[0].values == (("state", "failed"),)
    assert facts.calls[0].span.line == 12


def test_conditions_are_told(tmp_path: Path) -> None:
    code = """
        def work(conn, error):
            conn.execute('delete from a')
            if error:
                conn.execute('delete from b')
                return
            try:
                conn.execute('delete from c')
            except ValueError:
                pass
            with conn.transaction():
                conn.execute('delete from d')
            if not error:
                raise ValueError
            conn.execute('delete from e')
    """
    guards = {w.relation: w.guards for w in read(tmp_path, code).writes}

    assert guards == {
        "a": (),
        "b": ("if error",),
        "c": ("not if error", "try"),
        "d": ("not if error",),
        "e": ("not if error",),
    }


def test_named_queries_of_a_file(tmp_path: Path) -> None:
    code = """
        import aiosql

        queries = aiosql.from_path("queries.sql", "psycopg")
        named = load()

        def one(conn):
            queries.fail_one(conn, id=1)

        def two(conn):
            conn.execute(named["purge"])

        def three():
            return {"query": named["purge"], "id": 1}
    """
    sql = """\
        -- name: fail_one!
        -- fails one
        update engine.r set state = 'failed' where id = :id;

        -- name: purge
        delete from engine.r where id = %(id)s;
    """
    (tmp_path / "app.py").write_text(dedent(code))
    (tmp_path / "queries.sql").write_text(dedent(sql))
    facts = scan([tmp_path], FUNCTIONS)
    found = {(w.routine, w.verb, w.span.line, w.confidence) for w in facts.writes}

    assert found == {("app:one", "update", 3, 1.0), ("app:two", "delete", 6, 1.0), ("app:three", "delete", 6, 0.5)}
    assert {w.span.via.rpartition("/")[2] for w in facts.writes if w.routine != "app:three"} == {"app.py:8", "app.py:11"}


def test_a_statement_that_nobody_can_know_is_an_unknown(tmp_path: Path) -> None:
    facts = read(tmp_path, "def work(conn):\n    conn.execute(input())\n    conn.execute('update update set')\n")

    assert [(u.kind, u.span.line) for u in facts.unknowns] == [("dynamic", 2), ("unparsed", 3)]


def test_a_string_that_nobody_sends_is_a_maybe(tmp_path: Path) -> None:
    facts = read(tmp_path, "EXPORTED = 'delete from engine.r where id = 1'\n")

    assert [(w.verb, w.confidence) for w in facts.writes] == [("delete", 0.5)]


def test_a_notification_is_an_effect(tmp_path: Path) -> None:
    facts = read(tmp_path, "def work(conn):\n    conn.execute(\"select pg_notify('jobs', %s)\")\n    conn.execute('notify waker')\n")

    assert [(e.kind, e.target, e.routine) for e in facts.effects] == [("notify", "jobs", "app:work"), ("notify", "waker", "app:work")]


BROKEN = {
    "a syntax error": b"def work(:\n",
    "another encoding": b"# -*- coding: utf-8 -*-\nname = '\xff\xfe'\n",
    "an unknown encoding": b"# -*- coding: klingon -*-\n",
    "a null byte": b"a = 1\x00\n",
    "too deep": b"x = " + b"(" * 400 + b")" * 400 + b"\n",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_read_is_an_unknown_and_the_others_are_read(tmp_path: Path, case: str) -> None:
    (tmp_path / "bad.py").write_bytes(BROKEN[case])
    facts = read(tmp_path, "def work(conn):\n    conn.execute('delete from r')\n")

    assert [u.kind for u in facts.unknowns] == ["unreadable"]
    assert facts.unknowns[0].span.file.endswith("bad.py")
    assert len(facts.writes) == 1


def test_a_path_that_is_not_there_is_an_unknown(tmp_path: Path) -> None:
    assert [u.kind for u in scan([tmp_path / "gone.py"]).unknowns] == ["unreadable"]


LITERALS = {
    "sql.SQL('update r set state = {}').format(sql.Literal('paid'))": ("paid",),
    "sql.SQL('update r set state = {s}').format(s=sql.Literal(\"it's\"))": ("it's",),
    "sql.SQL('update {} set state = {}').format(sql.Identifier('r'), sql.Literal(3))": ("3",),
    "sql.SQL('update r set {}').format(sql.SQL('state = ') + sql.Literal('x'))": ("x",),
    "sql.SQL('insert into r (id, state) values ({})').format(sql.SQL(', ').join([sql.Literal(1), sql.Literal('new')]))": ("new",),
    "sql.SQL('update r set state = {}').format('done' if ok else 'failed')": ("done", "failed"),
    "sql.SQL('update r set state = {}').format(sql.Literal(None))": ("null",),
    "sql.SQL('update r set state = {}').format(sql.Literal(anything))": (),
    "sql.SQL('update r set state = {}').format(sql.Placeholder('s'))": (),
    "sql.SQL('update r set state = {}').format(sql.Identifier('other'))": (),
}


@pytest.mark.parametrize("made", LITERALS)
def test_a_literal_is_a_value(tmp_path: Path, made: str) -> None:
    facts = read(tmp_path, f"from psycopg import sql\ndef f(conn, anything, ok):\n    conn.execute({made})\n")

    assert tuple(v for w in facts.writes for c, v in w.values if c == "state") == LITERALS[made]


def test_a_new_row_is_given_what_the_insert_names(tmp_path: Path) -> None:
    facts = read(
        tmp_path,
        """
        def f(conn):
            conn.execute("insert into r (id) values (1) on conflict (id) do update set state = 'x'")
            conn.execute("insert into r values (1, 'x')")
            conn.execute("insert into r default values")
        """,
    )

    assert [w.inserted for w in facts.writes] == [("id",), ("*",), ()]
