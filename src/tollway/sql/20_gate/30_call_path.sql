-- _call_path: the functions on the stack, outermost first, from PG_CONTEXT ("claim_task > fail_run").
--
-- Only frames are believed, never statement text, which a caller can forge by writing a frame's line into a statement of
-- his own. A line counts as a frame when a function of that name is here and the statement below the line stands in that
-- function's source; a dynamic statement stands nowhere, so it is believed only of the outermost frame, the last line.
-- A frame of no known name is "sql". The pattern does not rely on the language of lc_messages.
create or replace function absurd._call_path(p_context text) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_lines text[] := string_to_array(p_context, E'\n');
  v_last  integer := cardinality(string_to_array(p_context, E'\n'));
  v_block text := null;            -- statement text since the last frame
  v_path  text := null;
  v_match text[];
  v_inner text;
  v_name  text;
begin
  for v_i in 1 .. v_last loop
    v_name := null;
    -- no frame begins with a space; most lines of statements do
    v_match := case when left(v_lines[v_i], 1) <> ' ' then regexp_match(v_lines[v_i],
      '(?:^|[^[:alnum:]_$".])(?:([[:alnum:]_$]+|"(?:[^"]|"")+")\.)?([[:alnum:]_$]+|"(?:[^"]|"")+")\([^()]*\)\D+\d+\D') end;
    if v_match is not null then
      v_inner := regexp_replace(substring(v_block from '["»„](.*).$'), '^\s*\w+\s*', '');
      select case n.nspname when 'absurd' then p.proname::text else n.nspname || '.' || p.proname end into v_name
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where p.proname = replace(trim(both '"' from v_match[2]), '""', '"')
        and (v_match[1] is null or n.nspname = replace(trim(both '"' from v_match[1]), '""', '"'))
        and (v_block is null or v_i = v_last or strpos(p.prosrc, v_inner) > 0)
      order by n.nspname <> 'absurd', n.nspname
      limit 1;
    end if;
    if v_name is null then
      v_block := concat_ws(E'\n', v_block, v_lines[v_i]);
      continue;
    end if;
    v_block := null;
    if v_name not like '\_%' then
      v_path := concat_ws(' > ', v_name, v_path);
    end if;
  end loop;
  -- what is left over has no known name: an anonymous block, a function in SQL, or the statement that was typed
  return case when v_block is not null or v_path is null then concat_ws(' > ', 'sql', v_path) else v_path end;
end
$$;
