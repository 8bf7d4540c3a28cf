-- A queue: a named stream of tasks, with its retention and limits.
create table absurd.queues (
  queue_name          text primary key
    constraint queue_name_has_1_to_57_bytes check (octet_length(queue_name) between 1 and 57),
  created_at          timestamptz not null default absurd.current_time(),
  storage_mode        text not null default 'unpartitioned'
    constraint storage_mode_is_known check (storage_mode in ('unpartitioned', 'partitioned')),
  default_partition   text not null default 'enabled'
    constraint default_partition_is_known check (default_partition in ('enabled', 'disabled')),
  partition_lookahead interval not null default '28 days'
    constraint partition_lookahead_is_not_negative check (partition_lookahead >= '0'),
  partition_lookback  interval not null default '1 day'
    constraint partition_lookback_is_not_negative check (partition_lookback >= '0'),
  cleanup_ttl         interval not null default '30 days'
    constraint cleanup_ttl_is_not_negative check (cleanup_ttl >= '0'),
  cleanup_limit       integer not null default 1000
    constraint cleanup_limit_is_positive check (cleanup_limit >= 1),
  detach_mode         text not null default 'none'
    constraint detach_mode_is_known check (detach_mode in ('none', 'empty')),
  detach_min_age      interval not null default '30 days'
    constraint detach_min_age_is_not_negative check (detach_min_age >= '0'),
  -- ours: what one JSON document may weigh, and whether drop_queue is at work (only then may live tasks go)
  max_payload_bytes   integer not null default 1048576
    constraint max_payload_bytes_is_sane check (max_payload_bytes between 1024 and 268435456),
  dropping            boolean not null default false
);
