-- The run id is the task id with the attempt in its low 24 bits, which every task id leaves empty.
-- Bytes, for functions of text count characters.
create or replace function absurd.run_id_of(p_task_id uuid, p_attempt integer) returns uuid
language sql immutable strict parallel safe
as $$
  select pg_catalog.encode(pg_catalog.substr(pg_catalog.uuid_send(p_task_id), 1, 13)
                           || pg_catalog.substr(pg_catalog.int4send(p_attempt), 2), 'hex')::uuid
$$;

create or replace function absurd.task_id_of(p_run_id uuid) returns uuid
language sql immutable strict parallel safe
as $$
  select (pg_catalog.left(p_run_id::text, 30) || '000000')::uuid
$$;
