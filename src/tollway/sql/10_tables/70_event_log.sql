-- The audit trail: one row a move, dense seq a task, written by the gate and never changed.
-- log_id is not commit order: a global reader goes by (incarnation, xid, log_id) below the snapshot's xmin.
--
-- A partition a week, made ahead by _ensure_log_partitions, which leave as a whole through drop_log_before. What no week takes goes to
-- the default partition: no move fails because its week was not made. No index can hold (task_id, seq) unique across partitions: the
-- gate takes seq from the task's row, which it holds, and verify() derives it again. Nor a CHECK, which each move would read anew: a row
-- of a task without a seq, or of no queue, is found by verify() too.
create sequence absurd.absurd_event_log_log_id_seq;   -- an identity column of a partitioned table needs PostgreSQL 17
create table absurd.absurd_event_log (
  log_id           bigint not null default nextval('absurd.absurd_event_log_log_id_seq'),
  queue_name       text,
  task_id          uuid,
  seq              bigint,
  workflow_run_id  uuid,
  run_id           uuid,
  attempt          integer,
  claim_epoch      bigint,
  event            text not null,
  from_state       text,
  to_state         text,
  worker           text,
  login_role       text not null,
  set_role         text,
  application_name text,
  via              text not null,
  detail           jsonb,
  incarnation      integer not null,
  xid              xid8 not null,
  at               timestamptz not null,
  prev_hash        bytea,
  hash             bytea
) partition by range (at);
alter sequence absurd.absurd_event_log_log_id_seq owned by absurd.absurd_event_log.log_id;

-- Each week's is made like this one (_make_log_partition), and verify() compares them with it.
create table absurd.absurd_event_log_default partition of absurd.absurd_event_log default;
create unique index absurd_event_log_default_task on absurd.absurd_event_log_default (task_id, seq) where task_id is not null;
create index absurd_event_log_default_id on absurd.absurd_event_log_default using brin (log_id) with (pages_per_range = 16);

-- The partitions that there must be: what is missing here or there was not made, or not dropped, by Tollway.
create table absurd.log_partition (
  partition_name text primary key,
  from_at        timestamptz unique,                         -- both null: the default partition
  to_at          timestamptz,
  witness        bigint,                                     -- the log_id of a row seen in it; rows never leave alone
  made_at        timestamptz not null default absurd.current_time(),
  constraint bounds_come_together check ((from_at is null) = (to_at is null))
);
insert into absurd.log_partition (partition_name) values ('absurd_event_log_default');

-- Where the log of a task begins, once older rows of it were dropped: its last row that went, and what verify() needs to know of
-- all that went. Changed by drop_log_before alone, which logs their checksum.
create table absurd.log_floor (
  task_id     uuid primary key,
  seq         bigint not null,
  hash        bytea,
  state       text not null,                                 -- what that row moved the task to
  claim_epoch bigint,                                        -- the last claim that went
  attempt     integer,
  worker      text,
  started_at  timestamptz,                                   -- the first claim that went
  ends        integer not null,                              -- how many moves that went ended the task
  retries     integer not null                               -- and how many took it up again
);
