-- _call_path: the functions on the stack, outermost first, from PG_CONTEXT ("claim_task > fail_run").
--
-- Only frames are believed, never statement text, which a caller can forge by writing a frame's line into a statement of
-- his own. A line within the stack counts as a frame when a function of that name and those arguments is here and the
-- statement below the line stands, whole, at the line that the frame names. A dynamic statement stands nowhere; then only
-- the last line, the outermost frame, is believed. What has no known name is "sql". Nothing relies on the language of
-- lc_messages.
create or replace function absurd._call_path(p_context text) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_lines text[] := string_to_array(p_context, E'\n');
  v_last  integer := cardinality(v_lines);
  v_block text := null;            -- statement text since the last frame
  v_path  text := null;
  v_inner text := null;            -- the path as far as it was when the first name was found
  v_name  text;
begin
  for v_i in 1 .. v_last loop
    v_name := absurd._frame(v_lines[v_i], v_block, v_i = v_last);
    if v_name is null then
      v_block := concat_ws(E'\n', v_block, v_lines[v_i]);
      continue;
    end if;
    if v_i = v_last and absurd._is_a_rest(v_block) then
      v_path := v_inner;
    end if;
    v_block := null;
    if v_name not like '\_%' then
      v_path := concat_ws(' > ', v_name, v_path);
      v_inner := coalesce(v_inner, v_path);
    end if;
  end loop;
  if v_block is null and v_path is not null then
    return v_path;
  end if;
  -- what is left over has no known name: an anonymous block, a function in SQL, or the statement that was typed
  return concat_ws(' > ', 'sql', case when absurd._is_a_rest(regexp_replace(v_block, '\n[^\n]*$', '')) then v_inner else v_path end);
end
$$;

-- _frame: the name of the function whose frame this line is, or null.
create or replace function absurd._frame(p_line text, p_block text, p_is_last boolean) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- no frame begins with a space; most lines of statements do. A name without quotes has only these letters, so it ends
  -- where another script begins
  v_match text[] := case when left(p_line, 1) <> ' ' then regexp_match(p_line,
    '(?:^|[^A-Za-z0-9_$".])(?:([a-z0-9_]+|"(?:[^"]|"")+")\.)?([a-z0-9_]+|"(?:[^"]|"")+")\(([^()]*)\)[^"()\d]+(\d+)[^"()\d]+$') end;
  v_names text[];
begin
  if v_match is null then
    return null;
  end if;
  v_names := array(
    select case n.nspname when 'absurd' then p.proname::text else n.nspname || '.' || p.proname end
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.proname = replace(trim(both '"' from v_match[2]), '""', '"')
      and (v_match[1] is null or n.nspname = replace(trim(both '"' from v_match[1]), '""', '"'))
      and replace(oidvectortypes(p.proargtypes), ', ', ',') = v_match[3]
      and (p_is_last or p_block is null or absurd._stands_at(p.prosrc, v_match[4]::integer, p_block)));
  -- the schema is left out when it was on somebody's search_path: two that fit are none
  return case when cardinality(v_names) = 1 then v_names[1] end;
end
$$;

-- _stands_at: does a block of PG_CONTEXT, such as SQL statement "...", stand as a whole in a function's source from that line?
create or replace function absurd._stands_at(p_source text, p_line integer, p_block text) returns boolean
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_source text := lower(array_to_string((string_to_array(p_source, E'\n'))[p_line:], E'\n'));
  v_text   text := lower(absurd._block_text(p_block));
  v_at     integer := 0;
begin
  if v_text <> '' then
    v_at := strpos(v_source, v_text);
    if v_at = 0 and strpos(v_source, 'perform' || substr(v_text, 7)) > 0 and v_text like 'select%' then
      v_text := 'perform' || substr(v_text, 7);   -- what PERFORM becomes
      v_at := strpos(v_source, v_text);
    elsif v_at = 0 then   -- INTO in the middle of a statement becomes blanks
      v_source := regexp_replace(regexp_replace(v_source, '\minto\s+(strict\s+)?[\w.]+(\s*,\s*[\w.]+)*', '', 'g'), '\s+', ' ', 'g');
      v_text := regexp_replace(v_text, '\s+', ' ', 'g');
      v_at := strpos(v_source, v_text);
    end if;
  end if;
  return v_at > 0
     and left(v_source, v_at - 1) ~ '^([\w\s.,:=\[\]|(]*[^\w.])?$'
     and substr(v_source, v_at + length(v_text)) ~ '^\s*(;|loop\M|then\M|into\M|using\M)';
end
$$;

-- _block_text: what is between the quotes, which are those of the language of lc_messages.
create or replace function absurd._block_text(p_block text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select btrim(substring(p_block from '^[^"»«„]*["»«„](.*)["»«“]$'), E' \t\n\r')
$$;

-- _is_a_rest: is this block no statement, but what a forged frame left of one? Then nothing between is believed.
create or replace function absurd._is_a_rest(p_block text) returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select p_block is not null and coalesce(absurd._block_text(p_block) ~*
    '^\s*($|[^[:alpha:][:space:]_"]|(from|where|group|having|window|union|intersect|except|order|limit|offset|fetch|for|as|on|using|set|returning)\M)', true)
$$;
