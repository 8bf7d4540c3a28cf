-- set_queue_policy: change some of a queue's policy; max_payload_bytes (1024 to 268435456) is Tollway's own key.
--
-- Called by  operator
-- Locks      queues (one row)
-- Moves      nothing
-- Raises     P0001 bad name, key or value · 22007, 22008, 22015 not an interval · 22P02, 22003 not a number · 23502 null
--            TW301 max_payload_bytes
-- Retry      safe: the same policy again changes nothing
create or replace function absurd.set_queue_policy(
  p_queue_name text,
  p_policy     jsonb
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_policy jsonb := coalesce(p_policy, '{}');
  v_queue  absurd.queues;
  v_key    text;
begin
  perform absurd.validate_queue_name(p_queue_name);
  if jsonb_typeof(v_policy) <> 'object' then
    raise exception 'Queue policy must be a JSON object' using errcode = 'P0001', hint = 'For example {"cleanup_ttl": "7 days"}.';
  end if;
  for v_key in select k from jsonb_object_keys(v_policy) k order by k loop
    if v_key not in ('partition_lookahead', 'partition_lookback', 'cleanup_ttl', 'detach_min_age', 'cleanup_limit', 'detach_mode',
                     'default_partition', 'max_payload_bytes') then
      raise exception 'Unsupported queue policy key "%"', v_key
        using errcode = 'P0001', hint = 'See absurd.get_queue_policy for the keys.';
    end if;
  end loop;
  select * into v_queue from absurd.queues q where q.queue_name = p_queue_name for update;
  if not found then
    raise exception 'Queue "%" does not exist', p_queue_name using errcode = 'P0001', hint = 'Create it with absurd.create_queue.';
  end if;

  if v_policy ? 'partition_lookahead' then
    v_queue.partition_lookahead := absurd._policy_interval('partition_lookahead', v_policy ->> 'partition_lookahead');
  end if;
  if v_policy ? 'partition_lookback' then
    v_queue.partition_lookback := absurd._policy_interval('partition_lookback', v_policy ->> 'partition_lookback');
  end if;
  if v_policy ? 'cleanup_ttl' then
    v_queue.cleanup_ttl := absurd._policy_interval('cleanup_ttl', v_policy ->> 'cleanup_ttl');
  end if;
  if v_policy ? 'detach_min_age' then
    v_queue.detach_min_age := absurd._policy_interval('detach_min_age', v_policy ->> 'detach_min_age');
  end if;
  if v_policy ? 'cleanup_limit' then
    v_queue.cleanup_limit := (v_policy ->> 'cleanup_limit')::integer;
  end if;
  if v_policy ? 'max_payload_bytes' then
    v_queue.max_payload_bytes := absurd._number_option('max_payload_bytes', v_policy -> 'max_payload_bytes', 1024, 268435456, true);
  end if;
  v_queue.detach_mode := absurd._policy_word('detach_mode', v_policy, v_queue.detach_mode, array['none', 'empty']);
  v_queue.default_partition := absurd._policy_word('default_partition', v_policy, v_queue.default_partition, array['enabled', 'disabled']);
  if v_policy ? 'default_partition' and v_queue.storage_mode <> 'partitioned' then
    raise exception 'default_partition policy is only supported for partitioned queues'
      using errcode = 'P0001', hint = 'Leave it out for this queue.';
  end if;
  if v_queue.cleanup_limit < 1 then
    raise exception 'cleanup_limit must be at least 1' using errcode = 'P0001', hint = 'Give the tasks of one clean-up batch.';
  end if;

  update absurd.queues q
  set partition_lookahead = v_queue.partition_lookahead, partition_lookback = v_queue.partition_lookback,
      cleanup_ttl = v_queue.cleanup_ttl, cleanup_limit = v_queue.cleanup_limit, detach_mode = v_queue.detach_mode,
      detach_min_age = v_queue.detach_min_age, default_partition = v_queue.default_partition,
      max_payload_bytes = v_queue.max_payload_bytes
  where q.queue_name = p_queue_name;
end
$$;
