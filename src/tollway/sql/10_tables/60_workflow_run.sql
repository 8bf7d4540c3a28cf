-- The user-facing record of a root task, projected by the gate. No index has what a move writes,
-- so a move updates it in place.
create table absurd.workflow_run (
  workflow_run_id  uuid primary key,
  external_id      text,
  workflow_name    text not null,
  workflow_version text,
  workflow_hash    text,
  status           text not null,
  absurd_queue     text not null,
  absurd_run_id    uuid not null,
  inputs           jsonb,
  result           jsonb,
  error            jsonb,
  tags             text[] not null default '{}',
  created_by       text,
  attempts         integer not null,
  created_at       timestamptz not null,
  started_at       timestamptz,
  completed_at     timestamptz,
  updated_at       timestamptz not null,
  purged_at        timestamptz
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

-- What cleanup_workflow_runs takes, oldest first. A row comes into it when its task is purged, and no earlier.
create index workflow_run_purged on absurd.workflow_run (absurd_queue, purged_at) where purged_at is not null;
