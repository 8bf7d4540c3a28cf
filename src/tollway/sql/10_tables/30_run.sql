-- An ended attempt, appended by the gate. The live attempt is the task row itself.
create table absurd.run (
  task_id          uuid not null,
  attempt          integer not null,
  run_id           uuid not null,
  queue_name       text not null,
  state            text not null
    constraint state_is_an_end check (state in ('completed', 'failed', 'cancelled')),
  claim_epoch      bigint not null,
  claimed_by       text,
  claim_expires_at timestamptz,
  created_at       timestamptz not null,
  available_at     timestamptz not null,
  started_at       timestamptz,
  ended_at         timestamptz not null,
  result           jsonb,
  failure_reason   jsonb,
  primary key (task_id, attempt)
);
