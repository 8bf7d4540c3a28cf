-- Which task answers a move: when a task of queue_name (of task_name, or any) comes to to_state, the gate spawns
-- handler_task in the same transaction. A queue takes the rows that name it along when it is dropped.
create table absurd.on_move (
  queue_name    text not null references absurd.queues on delete cascade,
  task_name     text
    constraint task_name_has_1_to_255_bytes check (octet_length(task_name) between 1 and 255),
  to_state      text not null
    constraint state_is_known check (to_state in ('pending', 'running', 'sleeping', 'completed', 'failed', 'cancelled')),
  handler_queue text not null references absurd.queues on delete cascade,
  handler_task  text not null
    constraint handler_task_has_1_to_255_bytes check (octet_length(handler_task) between 1 and 255),
  options       jsonb not null default '{}',                 -- as spawn_task's
  created_by    text not null default session_user,
  created_at    timestamptz not null default absurd.current_time(),
  constraint one_row_a_handler unique nulls not distinct (queue_name, to_state, task_name, handler_queue, handler_task)
);
create index on_move_handler_queue on absurd.on_move (handler_queue);
