-- A checkpoint: a step's saved result, immutable once written. status 'timed_out' is an event wait's time-out.
create table absurd.checkpoint (
  task_id         uuid not null,
  checkpoint_name text not null
    constraint checkpoint_name_has_1_to_255_bytes check (octet_length(checkpoint_name) between 1 and 255),
  queue_name      text not null,
  state           jsonb,
  status          text not null default 'committed'
    constraint status_is_known check (status in ('committed', 'timed_out')),
  attempt         integer not null,
  claim_epoch     bigint not null,
  updated_at      timestamptz not null default absurd.current_time(),
  duration_ms     double precision,
  primary key (task_id, checkpoint_name)
);
