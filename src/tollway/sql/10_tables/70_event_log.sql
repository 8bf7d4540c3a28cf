-- The audit trail: one row a move, dense seq a task, written by the gate and never changed.
-- log_id is not commit order: a global reader goes by (incarnation, xid, log_id) below the snapshot's xmin.
create table absurd.absurd_event_log (
  log_id           bigint generated always as identity,
  queue_name       text not null,
  task_id          uuid,
  seq              bigint,
  workflow_run_id  uuid,
  run_id           uuid,
  attempt          integer,
  claim_epoch      bigint,
  event            text not null,
  from_state       text,
  to_state         text,
  worker           text,
  login_role       text not null,
  set_role         text,
  application_name text,
  via              text not null,
  detail           jsonb,
  incarnation      integer not null,
  xid              xid8 not null,
  at               timestamptz not null,
  prev_hash        bytea,
  hash             bytea,
  constraint task_rows_have_a_seq check ((task_id is null) = (seq is null))
);
create unique index absurd_event_log_task on absurd.absurd_event_log (task_id, seq) where task_id is not null;
create index absurd_event_log_id on absurd.absurd_event_log using brin (log_id) with (pages_per_range = 16);
