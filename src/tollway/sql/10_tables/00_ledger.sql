-- What was installed, by whom: one row about the schema, a row for each migration, and one for each file of code.
create table absurd.schema_meta (
  only_row        boolean primary key default true
    constraint schema_meta_has_one_row check (only_row),
  incarnation     integer not null default 1
    constraint incarnation_is_positive check (incarnation >= 1),   -- raised when a restored database begins a new history
  test_clock      boolean not null default false,                  -- tests move the time here; never in production
  tollway_version text not null,
  installed_at    timestamptz not null default pg_catalog.clock_timestamp()
);

create table absurd.schema_migration (
  version    integer primary key
    constraint migration_version_is_positive check (version >= 1),
  name       text not null,
  checksum   text not null,
  applied_at timestamptz not null default pg_catalog.clock_timestamp()
);

create table absurd.schema_file (
  path         text primary key,
  checksum     text not null,
  installed_at timestamptz not null default pg_catalog.clock_timestamp()
);
