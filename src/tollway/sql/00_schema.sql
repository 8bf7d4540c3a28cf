-- Tollway's engine. Everything lives in schema absurd, so that the SDKs written for absurd run on it unchanged.
--
--   10_tables    what is stored: one task, one row, one state
--   20_gate      which moves are allowed, and what every move owes (log, workflow_run, ended attempt, wake-ups)
--   30_internal  what the public functions share; not executable by others
--   40_api       the public functions, one a file
--   50_views     what people and tools read
--   60_roles.sql who may execute what
--
-- A public function changes a task with one UPDATE that names its event (move_event). Everything else a move
-- owes is done by the gate, so no path can forget it.
create or replace function absurd.current_time() returns timestamptz
language sql volatile parallel safe
as $$ select pg_catalog.clock_timestamp() $$;
