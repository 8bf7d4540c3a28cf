"""Traps of Python, through the whole scan: the bypass, the wrapper, direct writes, names that are put together."""

from __future__ import annotations

from traps_base import JOB, Scan

CONFIG = """
state = ["app.job.state", "app.job_*.state"]
[[require]]
effect = "audit"
insert = "app.log"
"""
FAIL = """
create function app.fail(p int) returns void language sql as $$ update app.job set state = 'failed' where id = p $$;
"""
WRAPPER = """
class Jobs:
    def fail(self, job):
        self.conn.execute("select app.fail(%s)", (job,))
        self.conn.execute("insert into app.log values (%s)", (job,))
"""


def test_an_effect_that_only_python_has(scan: Scan) -> None:
    report = scan(JOB + FAIL, python=WRAPPER, config=CONFIG)

    assert report.statuses()["app.fail"] == "python only"
    assert report.found("BP002")


def test_an_sql_function_that_skips_the_wrapper(scan: Scan) -> None:
    sweep = "create function app.sweep() returns void language plpgsql as $$ begin perform app.fail(1); end $$;"
    report = scan(JOB + FAIL + sweep, python=WRAPPER, config=CONFIG)

    assert [f["line"] for f in report.found("BP003")] == [3]


def test_another_program_that_skips_the_wrapper(scan: Scan) -> None:
    other = "\ndef force(conn, job):\n    conn.execute('select app.fail(%s)', (job,))\n"
    report = scan(JOB + FAIL, python=WRAPPER + other, config=CONFIG)

    assert [f["file"].rpartition("/")[2] for f in report.found("BP003")] == ["program.py"]


def test_a_state_that_python_writes_itself(scan: Scan) -> None:
    python = """
        from psycopg import sql
        def fail(conn, queue):
            conn.execute(sql.SQL("update {} set state = 'failed'").format(sql.Identifier("app", f"job_{queue}")))
        def note(conn):
            print("update app.job set state = 'failed'")
    """
    report = scan(JOB, python=python, config=CONFIG)

    assert [f["line"] for f in report.found("BP004")] == [4]
    assert report.changes == [("fail", "update", "app.job_*")]


def test_a_file_that_is_not_python_leaves_the_analysis_incomplete(scan: Scan) -> None:
    report = scan(JOB, python="def broken(:\n")

    assert [kind for _, kind in report.unknowns] == ["unreadable"]
    assert report.exit_code == 3
