-- The run id is the task id with the attempt in its low 24 bits, which every task id leaves empty.
create or replace function absurd.run_id_of(p_task_id uuid, p_attempt integer) returns uuid
language sql immutable strict parallel safe
as $$
  select (pg_catalog.left(p_task_id::text, 30) || pg_catalog.lpad(pg_catalog.to_hex(p_attempt), 6, '0'))::uuid
$$;

create or replace function absurd.task_id_of(p_run_id uuid) returns uuid
language sql immutable strict parallel safe
as $$
  select (pg_catalog.left(p_run_id::text, 30) || '000000')::uuid
$$;
