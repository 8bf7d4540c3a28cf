-- retry_delay_seconds: how long a strategy waits after the given failed attempt, in seconds.
--
-- Called by  fail_run, spawn_task, anybody
-- Locks      nothing
-- Moves      nothing
-- Raises     AB003 invalid strategy
-- Retry      safe: immutable
create or replace function absurd.retry_delay_seconds(
  p_strategy jsonb,
  p_attempt  integer
) returns double precision
language plpgsql immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_problem text := absurd._retry_problem(p_strategy);
  v_kind    text := p_strategy ->> 'kind';
  v_base    double precision;
  v_factor  double precision;
  v_max     double precision;
  v_before  integer := greatest(p_attempt, 1) - 1;   -- attempts before this one
begin
  if v_problem is not null then
    raise exception '%', v_problem
      using errcode = 'AB003', hint = 'kind is none, fixed or exponential; see base_seconds, factor and max_seconds.';
  end if;
  if v_kind = 'fixed' then
    return coalesce(round((p_strategy ->> 'base_seconds')::numeric, 300)::double precision, 60);
  elsif v_kind = 'exponential' then
    -- rounded, and the factor bounded, to what a double can hold: others are refused by its input
    v_base := coalesce(round((p_strategy ->> 'base_seconds')::numeric, 300)::double precision, 30);
    v_factor := least(round(coalesce((p_strategy ->> 'factor')::numeric, 2), 300), 1e300)::double precision;
    v_max := coalesce(round((p_strategy ->> 'max_seconds')::numeric, 300)::double precision, 86400);
    if v_base = 0 then
      return 0;
    end if;
    -- compared as logarithms, so that nothing overflows: past the cap, or past nothing when the factor shrinks it
    if v_factor > 1 and v_before > 0 and ln(v_base) + v_before * ln(v_factor) > ln(86400 * 2.0) then
      return v_max;
    elsif v_factor > 0 and v_factor < 1 and v_before * ln(v_factor) < -600 then
      return 0;
    end if;
    return least(v_max, v_base * power(v_factor, v_before));
  end if;
  return 0;
end
$$;
