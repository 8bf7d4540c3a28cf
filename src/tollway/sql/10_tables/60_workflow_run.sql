-- The user-facing record of a root task, projected by the gate. Only its key is indexed, so a move updates it in place.
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
