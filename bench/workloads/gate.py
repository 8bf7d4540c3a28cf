"""What each part of the gate costs: the same tasks with one part taken out, in this scratch database only."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.bed import Bed
from harness.samples import Sample

LOG = r"(  get diagnostics v_context.*?where n\.moved;\n)"
WAKING = r"(  if v_over is not null then\n.*?perform absurd\._notify_idle[^\n]*\n  end if;\n)"
RUN = "\n    insert into absurd.workflow_run"
SKIPPED = r"  if false then\n\1  end if;\n"
EDITS: dict[str, tuple[tuple[str, str], ...]] = {
    "whole": (),
    "without the log": ((LOG, SKIPPED),),
    "without workflow_run": ((r"if tg_op = 'INSERT' then" + RUN, "if false then" + RUN), (r"elsif v_roots > 0 then", "elsif false then")),
    "without the ended attempts": ((r"if v_ended > 0 then", "if false then"),),
    "without waking": ((WAKING, SKIPPED),),
}
ROWS = {
    "without the log": "absurd.absurd_event_log",
    "without workflow_run": "absurd.workflow_run",
    "without the ended attempts": "absurd.run",
    "without its projection": "absurd.absurd_event_log",
}
"""Where nothing may be written, or the part was not out."""


PARTS = (*EDITS, "without its projection")
WITH_STEPS = ("whole", "without its projection")
STEPS = 10
TRIGGERS = ("zzz_gate_project_insert", "zzz_gate_project_update")
SOURCE = "select pg_get_functiondef('absurd._gate_project'::regproc)"


def gate(bed: Bed, *, tasks: int, workflows: int) -> Iterator[Sample]:
    """All parts in turn in one database, so that a round compares what ran within moments of one another."""
    source: str = bed.one(SOURCE)
    for part in PARTS:
        _take_out(bed, part, source)
        before = _rows(bed, part)
        bed.spawn("noop", tasks)
        seconds = bed.drain(tasks)
        if part in WITH_STEPS:
            bed.spawn("steps", workflows, body=STEPS)
            yield Sample("gate", f"{part}, ten steps", "per second", workflows * STEPS / bed.drain(workflows))
        bed.check(f"rows of {ROWS.get(part)} written", _rows(bed, part) - before, 0)
        _put_back(bed, source)
        yield Sample("gate", part, "per second", tasks / seconds)


def _rows(bed: Bed, part: str) -> int:
    return int(bed.one(f"select count(*) from {ROWS[part]}")) if part in ROWS else 0


def _take_out(bed: Bed, part: str, source: str) -> None:
    if part == "without its projection":
        for trigger in TRIGGERS:
            bed.sql.execute(f"alter table absurd.task disable trigger {trigger}".encode())
        return
    for found, instead in EDITS[part]:
        source, times = re.subn(found, instead, source, flags=re.DOTALL)
        bed.check(f"places of {found!r} in the gate", times, 1)
    bed.sql.execute(source.encode())


def _put_back(bed: Bed, source: str) -> None:
    bed.sql.execute(source.encode())
    for trigger in TRIGGERS:
        bed.sql.execute(f"alter table absurd.task enable always trigger {trigger}".encode())
