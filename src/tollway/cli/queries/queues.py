"""Queues: their numbers, and what is set of them."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

from tollway.cli.database import one_moment
from tollway.cli.output import UsageError

STATS = """
select q.queue_name as queue,
       coalesce(t.pending, 0) as pending, coalesce(t.due, 0) as due, coalesce(t.running, 0) as running,
       coalesce(t.sleeping, 0) as sleeping, coalesce(t.expired, 0) as expired_leases,
       coalesce(t.completed, 0) as completed, coalesce(t.failed, 0) as failed, coalesce(t.cancelled, 0) as cancelled,
       extract(epoch from absurd.current_time() - t.oldest_due)::double precision as oldest_due_seconds,
       (select count(*) from absurd.waiter w where w.queue_name = q.queue_name and w.until > absurd.current_time()) as idle_workers
from absurd.queues q
left join (
  select t.queue_name,
         count(*) filter (where t.state = 'pending') as pending,
         count(*) filter (where t.state = 'running') as running,
         count(*) filter (where t.state = 'sleeping') as sleeping,
         count(*) filter (where t.state = 'completed') as completed,
         count(*) filter (where t.state = 'failed') as failed,
         count(*) filter (where t.state = 'cancelled') as cancelled,
         count(*) filter (where t.state = 'running' and t.claim_expires_at <= absurd.current_time()) as expired,
         count(*) filter (where t.state in ('pending', 'sleeping') and t.available_at <= absurd.current_time()) as due,
         min(t.available_at) filter (where t.state in ('pending', 'sleeping') and t.available_at <= absurd.current_time()) as oldest_due
  from absurd.task t
  where %(queue)s::text is null or t.queue_name = %(queue)s
  group by t.queue_name) t on t.queue_name = q.queue_name
where %(queue)s::text is null or q.queue_name = %(queue)s
order by q.queue_name"""

# absurd.get_queue_policy has absurd's columns, and so no max_payload_bytes
POLICY = """
select q.queue_name as queue, q.cleanup_ttl::text as cleanup_ttl,
       floor(extract(epoch from q.cleanup_ttl))::bigint as cleanup_ttl_seconds, q.cleanup_limit, q.max_payload_bytes
from absurd.queues q where q.queue_name = %s"""


def queue_policy(connection: psycopg.Connection[Any], queue: str) -> dict[str, Any]:
    """What an operator may set of a queue. Raises: UsageError, when it is gone."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(POLICY, (queue,)).fetchone()
    if found is None:
        raise UsageError(f"no queue is named {queue!r}", "`tollway queue list` lists them.")
    return found


def queue_stats(connection: psycopg.Connection[Any], queue: str | None) -> list[dict[str, Any]]:
    """Counts by state of each queue, how long the oldest due task waits, and the workers that wait for work."""
    with one_moment(connection) as cursor:
        return cursor.execute(STATS, {"queue": queue}).fetchall()


def queues_with_history(connection: psycopg.Connection[Any]) -> list[str]:
    """Those with a workflow_run whose task was purged, though they may have been dropped themselves."""
    query = "select distinct w.absurd_queue from absurd.workflow_run w where w.purged_at is not null order by 1"
    return [name for (name,) in connection.execute(query).fetchall()]
