-- get_schema_version: the release of absurd whose interface this schema follows.
--
-- Called by  SDKs
-- Locks      nothing
-- Moves      nothing
-- Raises     nothing
-- Retry      safe: reads only
create or replace function absurd.get_schema_version() returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$ select '0.5.1' $$;
