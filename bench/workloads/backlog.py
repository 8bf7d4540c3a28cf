"""Tasks a second beside many others: so many pending behind them, or so many that ended long ago."""

from __future__ import annotations

import time
from collections.abc import Iterator

from harness.bed import CONCURRENCY, Bed
from harness.samples import Sample

END_SOME = """
with claimed as (select c.task_id, c.claim_epoch, row_number() over () as n from absurd.claim_tasks('bench', 'loader', 3600, 5000) c),
     ended as (select absurd.worker_sync(jsonb_build_object(
                 'queue', 'bench', 'worker', 'loader', 'instance', gen_random_uuid(), 'call', 1, 'resend', false, 'brief', true,
                 'ops', jsonb_agg(jsonb_build_object(
                   'n', c.n, 'op', 'complete', 'task_id', c.task_id, 'epoch', c.claim_epoch, 'result', null))))
               from claimed c)
select (select count(*) from claimed) from ended"""


def pending(bed: Bed, *, pending: int, tasks: int) -> Iterator[Sample]:
    """How fast tasks go while `pending` wait behind them."""
    bed.spawn("noop", pending + tasks)
    bed.sql.execute(bed.system.settle)
    bed.sql.execute("checkpoint")  # else what was loaded is written while it is measured
    rate = _handled_per_second(bed, tasks)
    bed.check("tasks failed or tried twice", bed.one(bed.system.failed), 0)
    bed.check("more tasks done than handled", bed.one(bed.system.done) > bed.marks.handled, False)
    yield Sample("pending", f"{pending:,} pending", "per second", rate)


def completed(bed: Bed, *, pending: int, tasks: int) -> Iterator[Sample]:
    """How fast `tasks` go with so many that have ended."""
    bed.spawn("noop", pending)
    ended = 0
    while some := bed.one(END_SOME):
        ended += some
    bed.check("tasks ended", ended, pending)
    bed.sql.execute(bed.system.settle)
    bed.sql.execute("checkpoint")  # else what was loaded is written while it is measured
    bed.spawn("noop", tasks)
    rate = _handled_per_second(bed, tasks)
    bed.check("tasks done", bed.one(bed.system.done), pending + tasks)
    bed.check("tasks failed or tried twice", bed.one(bed.system.failed), 0)
    yield Sample("completed", f"{pending:,} completed", "per second", rate)


def _handled_per_second(bed: Bed, tasks: int) -> float:
    """Of one worker, from a quarter of `tasks` on, as the first claims have begun by then.

    Handlers are counted, not what is durable: to count that among a million rows takes both cores for longer than a thousand tasks do. A
    claim's batch is the error. A worker that is stopped ends what it holds, so that all can be checked afterwards.
    """
    bed.marks.reset()
    bed.start_workers(1, CONCURRENCY)
    bed.until(lambda: bed.marks.handled >= tasks // 4, watch=False)
    began, first = time.monotonic_ns(), bed.marks.handled
    bed.until(lambda: bed.marks.handled >= tasks, watch=False)
    seconds, last = (time.monotonic_ns() - began) / 1e9, bed.marks.handled
    bed.stop_workers()
    return (last - first) / seconds
