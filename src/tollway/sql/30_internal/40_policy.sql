-- Values of a queue policy, with absurd's messages.
create or replace function absurd._policy_interval(p_key text, p_value text) returns interval
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_value::interval < '0' then
    raise exception '% must be non-negative', p_key using errcode = 'P0001', hint = 'For example "7 days".';
  end if;
  return p_value::interval;
end
$$;

create or replace function absurd._policy_word(p_key text, p_policy jsonb, p_have text, p_words text[]) returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_word text := lower(btrim(p_policy ->> p_key));
begin
  if not p_policy ? p_key then
    return p_have;
  end if;
  if v_word is null or v_word <> all (p_words) then
    raise exception 'Unsupported % mode "%"', case p_key when 'detach_mode' then 'detach' else p_key end, p_policy ->> p_key
      using errcode = 'P0001', hint = format('Give one of: %s.', array_to_string(p_words, ', '));
  end if;
  return v_word;
end
$$;
