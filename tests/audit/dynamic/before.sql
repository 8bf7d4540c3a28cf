-- What tollway.schema.install does before the files: the roles and the schema. The roles are the server's, and may be there.
do $$
declare
  v_role text;
begin
  foreach v_role in array array['tollway_owner', 'tollway_reader', 'tollway_worker', 'tollway_client', 'tollway_operator'] loop
    if not exists (select from pg_roles where rolname = v_role) then
      execute format('create role %I nologin', v_role);
    end if;
  end loop;
end
$$;
create schema absurd;
