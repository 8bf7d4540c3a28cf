-- An event; emitted_at is null while it is only awaited (a placeholder, there to be locked).
create table absurd.event (
  queue_name text not null,
  event_name text not null
    constraint event_name_has_1_to_255_bytes check (octet_length(event_name) between 1 and 255),
  payload    jsonb,
  emitted_at timestamptz,
  primary key (queue_name, event_name),
  constraint emitted_event_has_a_payload check ((payload is not null) = (emitted_at is not null))
);

-- A sleeping task's registration for an event, or for the end of another task. The task row says until when it sleeps.
create table absurd.wait (
  task_id         uuid not null,
  step_name       text not null
    constraint step_name_has_1_to_255_bytes check (octet_length(step_name) between 1 and 255),
  queue_name      text not null,                            -- the waiting task's, and so the event's
  event_name      text,
  awaited_task_id uuid,
  timeout_at      timestamptz,
  attempt         integer not null,
  created_at      timestamptz not null default absurd.current_time(),
  primary key (task_id, step_name),
  constraint waits_for_one_thing check (num_nonnulls(event_name, awaited_task_id) = 1)
);
create index wait_event on absurd.wait (queue_name, event_name) where event_name is not null;
create index wait_task on absurd.wait (awaited_task_id) where awaited_task_id is not null;
