-- What was installed: the structure's migrations, the code's files, and the one row that describes this database.
create table absurd.schema_migration (
  version    integer primary key,
  name       text not null,
  checksum   text not null,
  applied_at timestamptz not null default clock_timestamp()
);
create table absurd.schema_file (
  path         text primary key,
  checksum     text not null,
  installed_at timestamptz not null default clock_timestamp()
);
create table absurd.schema_meta (
  incarnation     integer not null default 1,    -- changes on restore, because transaction ids start anew
  test_clock      boolean not null default false,
  tollway_version text not null default '',
  installed_at    timestamptz not null default clock_timestamp(),
  log_starts_at   timestamptz not null default '-infinity',   -- older rows of the log may have left through drop_log_before
  one_row         boolean not null default true primary key check (one_row)
);
insert into absurd.schema_meta default values;
