-- Checks at the door, shared by the public functions: nothing is stored before they pass.

-- _queue: the queue's row, or the error that absurd's clients know.
create or replace function absurd._queue(p_queue_name text, p_letter text) returns absurd.queues
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_queue absurd.queues;
begin
  if p_queue_name is null then
    raise exception 'Queue name must be provided' using errcode = '22004', hint = 'Pass the name of a queue.';
  end if;
  select * into v_queue from absurd.queues q where q.queue_name = p_queue_name;
  if not found then
    raise exception 'relation "absurd.%_%" does not exist', p_letter, p_queue_name
      using errcode = '42P01', hint = format('Queue "%s" does not exist; create it with absurd.create_queue.', p_queue_name);
  end if;
  return v_queue;
end
$$;

create or replace function absurd._check_name(p_field text, p_value text) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_value is null or btrim(p_value) = '' then
    raise exception '% must be provided', p_field using errcode = 'P0001', hint = 'Give 1 to 255 bytes of text.';
  end if;
  perform absurd._check_length(p_field, p_value);
end
$$;

create or replace function absurd._check_length(p_field text, p_value text) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if octet_length(p_value) > 255 then
    raise exception '% has % bytes', p_field, octet_length(p_value)
      using errcode = 'TW304', hint = 'Names have 1 to 255 bytes.';
  end if;
end
$$;

-- _is_small: neither too large for any queue nor nested 64 deep, as each level takes eight bytes. A value that comes compressed out of a
-- table is as large as it will be, not as it is stored.
create or replace function absurd._is_small(p_value jsonb) returns boolean
language sql stable
as $$
  select pg_column_size(p_value) < 512 and pg_column_compression(p_value) is null
$$;

-- _check_payload: a document has at most so many bytes, and is nested at most 64 deep.
create or replace function absurd._check_payload(p_field text, p_value jsonb, p_max_bytes integer) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_value is null or absurd._is_small(p_value) then
    return;
  end if;
  if octet_length(p_value::text) > p_max_bytes then
    raise exception '% has % bytes; the limit is %', p_field, octet_length(p_value::text), p_max_bytes
      using errcode = 'TW302', hint = 'Store large data elsewhere and pass a reference, or raise the queue''s max_payload_bytes.';
  end if;
  if jsonb_path_exists(p_value, 'strict $.**{64 to last} ? (@.type() == "array" || @.type() == "object")') then
    raise exception '% is nested deeper than 64 levels', p_field
      using errcode = 'TW303', hint = 'Flatten the document.';
  end if;
end
$$;

-- _number_option: a number of a JSON document in a range, or null when the key is absent or null.
create or replace function absurd._number_option(
  p_field text, p_value jsonb, p_min double precision, p_max double precision, p_whole boolean default false
) returns double precision
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_text text := p_value #>> '{}';
begin
  if v_text is null then
    return null;
  end if;
  -- what is nearly always given; and no text is matched for it
  if p_whole and jsonb_typeof(p_value) = 'number' and length(v_text) <= 15 and p_value::numeric % 1 = 0
     and p_value::double precision between p_min and p_max then
    return p_value::double precision;
  end if;
  if jsonb_typeof(p_value) not in ('number', 'string') or v_text !~ '^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*$'
     or v_text::numeric not between p_min::numeric and p_max::numeric or (p_whole and v_text::numeric % 1 <> 0) then
    raise exception '% must be a % between % and %, not %', p_field,
        case when p_whole then 'whole number' else 'number' end, p_min::numeric, p_max::numeric, left(p_value::text, 100)
      using errcode = 'TW301', hint = format('Give %s in that range, or leave it out.', p_field);
  end if;
  return round(v_text::numeric, 300)::double precision;   -- what is smaller than a double can be is none
end
$$;

create or replace function absurd._text_option(p_field text, p_value jsonb) returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_value is null or jsonb_typeof(p_value) = 'null' then
    return null;
  end if;
  if jsonb_typeof(p_value) <> 'string' or octet_length(p_value #>> '{}') > 255 then
    raise exception '% must be a text of at most 255 bytes, not %', p_field, left(p_value::text, 100)
      using errcode = 'TW301', hint = format('Give %s as a JSON string, or leave it out.', p_field);
  end if;
  return p_value #>> '{}';
end
$$;

create or replace function absurd._time_option(p_field text, p_value jsonb) returns timestamptz
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_text text := absurd._text_option(p_field, p_value);
begin
  if v_text is null then
    return null;
  end if;
  if v_text !~ '^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s*(Z|[+-]\d{2}(:?\d{2})?)$' then
    raise exception '% must be a time with a zone such as 2030-01-31T12:00:00Z, not %', p_field, left(p_value::text, 100)
      using errcode = 'TW301', hint = format('Give %s as an ISO 8601 time, or leave it out.', p_field);
  end if;
  return v_text::timestamptz;
exception when datetime_field_overflow or invalid_datetime_format then
  raise exception '% must be a time that exists, not %', p_field, left(p_value::text, 100)
    using errcode = 'TW301', hint = format('Give %s as an ISO 8601 time, or leave it out.', p_field);
end
$$;

create or replace function absurd._flag_option(p_field text, p_value jsonb) returns boolean
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_value is null or jsonb_typeof(p_value) = 'null' then
    return null;
  end if;
  if jsonb_typeof(p_value) <> 'boolean' then
    raise exception '% must be true or false, not %', p_field, left(p_value::text, 100)
      using errcode = 'TW301', hint = format('Give %s as a JSON boolean, or leave it out.', p_field);
  end if;
  return (p_value #>> '{}')::boolean;
end
$$;

create or replace function absurd._uuid_option(p_field text, p_value jsonb) returns uuid
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_text text := p_value #>> '{}';
begin
  -- what is nearly always given, and no expression is matched for it: hyphens in their places, and else only these digits
  if v_text like '________-____-____-____-____________' and translate(v_text, '0123456789abcdefABCDEF', '') = '----' then
    return v_text::uuid;
  end if;
  v_text := absurd._text_option(p_field, p_value);
  if v_text !~ '^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$' then
    raise exception '% must be a uuid, not %', p_field, left(p_value::text, 100)
      using errcode = 'TW301', hint = format('Give %s as the id that spawn_task returned.', p_field);
  end if;
  return v_text::uuid;
end
$$;
