"""What the database can tell afterwards: the recovered task's log, a failure from plain SQL, and a missing trigger."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import psycopg
from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table

from tollway.demo.disaster import DemoFailed, Disaster
from tollway.demo.inventory import app
from tollway.demo.processes import DATABASE, House
from tollway.demo.psql import find_psql, run_sql
from tollway.demo.report import WIDE, one_line

RECOVERY = "claim_task > fail_run"
LOG = """
select at, event, claim_epoch::text, coalesce(worker, ''), via, from_state || ' → ' || to_state, seq::text
from absurd.absurd_event_log where task_id = %s order by seq"""
RECOVERED = """
select task_id from absurd.absurd_event_log
where event = 'run.retried' and worker = %s and strpos(via, %s) > 0 and task_id = any (%s)"""
BY_EPOCH = """
select l.worker, count(*) from absurd.checkpoint c
join absurd.absurd_event_log l on l.task_id = c.task_id and l.event = 'run.claimed' and l.claim_epoch = c.claim_epoch
where c.task_id = %s and c.checkpoint_name not like '$%%' group by l.claim_epoch, l.worker order by l.claim_epoch"""

BY_THEMSELVES = """
select t.params ->> 'package', r.failure_reason ->> 'name', r.failure_reason ->> 'message'
from absurd.run r join absurd.task t using (task_id)
where r.queue_name = %s and r.state = 'failed' and r.failure_reason ->> 'name' <> '$ClaimTimeout'"""

SPAWN = """\
select absurd.create_queue('by_hand');
select task_id from absurd.spawn_task('by_hand', 'charge_card', '{"order": 7}', '{"max_attempts": 1}')"""
FAIL = """\
select absurd.fail_run('by_hand', run_id, '{"name": "CardDeclined"}')
from absurd.claim_task('by_hand', 'an operator')"""
# xmin is the transaction that wrote the row, and the log notes its own: they are one and the same
WORKFLOW_RUN = """\
select workflow_name, status, error ->> 'name' as error, xmin as xid
from absurd.workflow_run where absurd_queue = 'by_hand'"""
LOG_ROW = """\
select event, from_state || ' > ' || to_state as move, via, xid
from absurd.absurd_event_log where queue_name = 'by_hand' and event = 'run.failed'"""
BOTH_SAY_SO = """
select count(*) from absurd.workflow_run w join absurd.absurd_event_log l on l.task_id = w.workflow_run_id
where w.absurd_queue = 'by_hand' and w.status = 'failed' and l.event = 'run.failed' and l.via = 'fail_run' and w.xmin = l.xid::xid"""

TRIGGER = "zzz_gate_project_update"
DISABLE = f"alter table absurd.task disable trigger {TRIGGER}"
UNSEEN = "select absurd.retry_task('by_hand', task_id) from absurd.task where queue_name = 'by_hand'"
VERIFY = """
select v.invariant, coalesce(v.detail ->> 'name', t.task_name), v.detail - 'name'
from absurd.verify() v left join absurd.task t using (task_id)"""


FLEXIBLE = ("via", "detail")


def heading(console: Console, text: str) -> None:
    console.print()
    console.print(Rule(f"[bold]{text}", align="left", style="dim"))


def show_recovery(console: Console, connection: psycopg.Connection[Any], disaster: Disaster) -> None:
    """The log of a task that the dead worker held, old worker and new; every one it held must have been recovered so."""
    assert disaster.worker is not None
    held = list(disaster.held)
    recovered = {row[0] for row in connection.execute(RECOVERED, (disaster.worker.name, RECOVERY, held))}
    if len(recovered) != len(held):
        raise DemoFailed(f"{len(held)} tasks were held by the killed worker, {len(recovered)} of them were recovered by `{RECOVERY}`")
    heading(console, f"The dead worker's {len(held)} tasks: recovered inside the database, and on record")
    shares = {task: connection.execute(BY_EPOCH, (task,)).fetchall() for task in held}
    told = max(held, key=lambda task: (len(shares[task]), min(steps for _, steps in shares[task])))
    console.print(_log_table(connection, told, disaster, wide=console.width >= WIDE))
    parts = [f"{steps} by {worker}" for worker, steps in shares[told]]
    _remark(
        console, f"Its steps: {', then '.join(parts)}, each stored once. The next claim found the lease expired, and failed the run itself."
    )


def _show_sql(console: Console, statement: str) -> None:
    console.print(Syntax(statement, "sql", theme="ansi_dark", background_color="default", padding=(0, 2), word_wrap=True))


def _remark(console: Console, text: str) -> None:
    console.print(Padding(text, (0, 2)))


def _log_table(connection: psycopg.Connection[Any], task: str, disaster: Disaster, *, wide: bool) -> Table:
    """The log as it is, with the moment of the kill between its rows."""
    assert disaster.worker is not None
    rows = connection.execute(LOG, (task,)).fetchall()
    kill = (disaster.at, "SIGKILL", "", disaster.worker.name, "", "", "")
    names = ("seconds", "event", "epoch", "worker", "via", *(("move", "seq") * wide))
    table = _table(*names, title=f"the log of {disaster.held[task]}, task {task}")
    for at, *cells in sorted([*rows, kill], key=itemgetter(0)):
        via = cells[3]
        style = "bold red" if RECOVERY in via else "dim" if not via else None
        table.add_row(f"{(at - rows[0][0]).total_seconds():7.2f}", *cells[: len(names) - 1], style=style)
    return table


def show_other_failures(console: Console, connection: psycopg.Connection[Any]) -> None:
    """Attempts that failed though nobody killed them: they were retried, and somebody should look into them."""
    for package, name, message in connection.execute(BY_THEMSELVES, (app.queue,)):
        console.print(f"  [yellow]retried by itself:[/] {package}, {escape(f'{name}: {message}')}")


def show_plain_sql(console: Console, house: House) -> None:
    """Fail a task with no Python near it, and look at what else changed in that same transaction."""
    psql = find_psql(house.server.version)
    heading(console, "A task failed from psql: no Python took part, and every record agrees")
    run_sql(psql, house.dsn(), *SPAWN.split(";\n"))
    run_sql(psql, house.dsn(), FAIL)
    _show_sql(console, FAIL)
    panels = [
        Panel(run_sql(psql, house.dsn(), query), title=f"absurd.{name}", title_align="left", border_style="dim", expand=False)
        for name, query in (("workflow_run", WORKFLOW_RUN), ("absurd_event_log", LOG_ROW))
    ]
    console.print(Columns(panels, padding=(0, 1)))
    _remark(console, "One transaction (xid) wrote both; no Python had to remember to.")
    with psycopg.connect(house.dsn()) as connection:
        found = connection.execute(BOTH_SAY_SO).fetchone()
    if found != (1,):
        raise DemoFailed("fail_run from psql left workflow_run or the log behind")


def show_audit(console: Console, house: House) -> None:
    """verify() on the database as it is, then on a copy that somebody meddled with."""
    heading(console, "verify(): every record derived again, and the guards themselves looked at")
    with psycopg.connect(house.dsn(), autocommit=True) as connection:
        found = connection.execute(VERIFY).fetchall()
    _show_verify(console, "select * from absurd.verify()", found)
    if found:
        raise DemoFailed(f"verify() names {len(found)} violations")
    copy = f"{DATABASE}_copy"
    with house.admin() as admin:
        admin.execute(f"create database {copy} template {DATABASE}")
    with psycopg.connect(house.dsn(copy), autocommit=True) as connection:
        connection.execute(DISABLE)
        found = connection.execute(VERIFY).fetchall()
        _show_verify(console, f"-- on a copy\n{DISABLE}", found)
        if not any(TRIGGER in name for _, name, _ in found):
            raise DemoFailed(f"verify() does not name the disabled trigger {TRIGGER}")
        connection.execute(UNSEEN)
        found = connection.execute(VERIFY).fetchall()
        _show_verify(console, UNSEEN, found)
        if len({invariant for invariant, _, _ in found}) < 2:
            raise DemoFailed("verify() does not see a move that the log missed")


def _show_verify(console: Console, statement: str, found: Sequence[Any]) -> None:
    _show_sql(console, statement)
    if not found:
        console.print("  [green]no rows: nothing disagrees[/]")
        return
    table = _table("invariant", "of", "detail")
    for invariant, name, detail in found:
        said = ", ".join(f"{key}: {value}" for key, value in detail.items())
        table.add_row(f"[red]{invariant}[/]", name, one_line(escape(said)))
    console.print(table)


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="none", pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=column not in FLEXIBLE)
    return table
