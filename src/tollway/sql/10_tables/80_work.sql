-- A worker that went idle and wants a NOTIFY until then; the dead expire by themselves.
create table absurd.waiter (
  queue_name  text not null,
  instance    uuid not null,
  until       timestamptz not null,
  primary key (queue_name, instance)
);

-- What a function learned of too late to lock it in order: done by the next claim. Insert-only for those who skip.
create table absurd.follow_up (
  follow_up_id bigint generated always as identity primary key,
  task_id      uuid not null,
  kind         text not null constraint kind_is_known check (kind in ('wake', 'cancel')),
  detail       jsonb,
  created_at   timestamptz not null default absurd.current_time()
);

-- Call paths read before. Only contexts made of our own frames are kept, of which there are few; never statement text of a
-- caller's. The index is not unique on purpose: who adds a row must not wait for another who adds the same.
create table absurd.call_path (
  context_md5 uuid not null,
  path        text not null
);
create index call_path_context on absurd.call_path (context_md5);

-- The code as it was installed, for verify().
create table absurd.installed_code (
  kind     text not null,
  identity text not null,
  checksum text not null,
  primary key (kind, identity)
);
