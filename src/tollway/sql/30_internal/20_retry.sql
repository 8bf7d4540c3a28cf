-- _retry_problem: what is wrong with a retry strategy (absurd's wording), or null.
create or replace function absurd._retry_problem(p_strategy jsonb) returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_kind   text;
  v_key    text;
  v_text   text;
  v_number numeric;
begin
  if p_strategy is null then
    return null;
  end if;
  if jsonb_typeof(p_strategy) <> 'object' then
    return 'retry_strategy must be a JSON object';
  end if;
  v_kind := coalesce(p_strategy ->> 'kind', 'none');
  if v_kind not in ('none', 'fixed', 'exponential') then
    return format('Unsupported retry strategy kind "%s"', left(v_kind, 100));
  end if;
  if v_kind = 'none' then
    return null;
  end if;
  foreach v_key in array case v_kind when 'fixed' then array['base_seconds'] else array['base_seconds', 'factor', 'max_seconds'] end loop
    v_text := p_strategy ->> v_key;
    continue when v_text is null;
    if v_text ~* '^\s*[+-]?(nan|inf|infinity)\s*$' or v_text ~ '^\s*[+-]?(\d+\.?\d*|\.\d+)[eE][+]?\d{3,}\s*$' then
      return case v_key when 'factor' then 'retry_strategy.factor must be a finite non-negative number'
                        else format('retry_strategy.%s must be between 0 and 86400', v_key) end;
    end if;
    if jsonb_typeof(p_strategy -> v_key) not in ('number', 'string')
       or v_text !~ '^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*$' then
      return 'retry_strategy contains an invalid number';
    end if;
    v_number := v_text::numeric;
    if v_number <> 0 and v_number < 1e-300 and v_number > -1e-300 then
      return 'retry_strategy contains an invalid number';   -- a double precision cannot hold it
    elsif v_key = 'factor' and (v_number < 0 or v_number > 1e300) then
      return 'retry_strategy.factor must be a finite non-negative number';
    elsif v_key <> 'factor' and v_number not between 0 and 86400 then
      return format('retry_strategy.%s must be between 0 and 86400', v_key);
    end if;
  end loop;
  return null;
end
$$;

-- _cancellation_problem: what is wrong with a cancellation document, or null. Arrays, scalars and JSON null are no policy.
create or replace function absurd._check_cancellation(p_cancellation jsonb) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(p_cancellation) = 'object' then
    perform absurd._number_option('cancellation.max_delay', p_cancellation -> 'max_delay', -9e9, 3e9, true),
            absurd._number_option('cancellation.max_duration', p_cancellation -> 'max_duration', -9e9, 3e9, true);
  elsif jsonb_typeof(p_cancellation) in ('string', 'number', 'boolean', 'array') then
    raise exception 'cancellation must be a JSON object, not %', left(p_cancellation::text, 100)
      using errcode = 'TW301', hint = 'Its keys are max_delay and max_duration, in whole seconds.';
  end if;
end
$$;
