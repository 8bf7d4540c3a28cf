-- The allowed moves of a task's state. An unlisted one is refused by the gate. The rows are in 20_gate/transitions.sql.
create table absurd.transition (
  from_state text not null,
  to_state   text not null,
  event      text not null,
  who        text not null,
  primary key (from_state, to_state, event)
);
