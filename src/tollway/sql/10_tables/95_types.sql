-- One operation of a worker_sync call, with its answer.
create type absurd.sync_op as (
  n           integer,
  op          text,
  task_id     uuid,
  epoch       bigint,
  step        text,
  event       text,
  awaited     uuid,
  value       jsonb,              -- state, result, reason, payload or params
  spec        jsonb,              -- of a spawn: {"queue", "task_name", "options"}
  moment      timestamptz,        -- until, retry at, or time-out at
  retryable   boolean,
  duration_ms double precision,
  attempt     integer,            -- of the task, as it was judged
  status      text,               -- ok, already, stale, cancelled, conflict, skipped, busy, refused
  error       text,               -- why it was refused, and that error's code
  sqlstate    text,
  outcome     text,               -- of an await: suspended, event, ended, timed_out
  payload     jsonb,
  child       uuid                -- of a spawn
);
