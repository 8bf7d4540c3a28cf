"""What the mutants are derived from: places in text, and nothing else is changed."""

from __future__ import annotations

import pytest
from mutants.conditions import cases, conjuncts, epochs, guards
from mutants.derive import Mutant, derive
from mutants.gate import emptied
from mutants.text import Function, Span, functions, mask

SQL = """
create or replace function absurd._f(p_task absurd.task, p_epoch bigint) returns absurd.task
language plpgsql
as $$
begin
  -- a comment with where a = b and c = d for update
  if p_task.state <> 'running' or p_task.claim_epoch <> p_epoch then
    raise exception 'where x and y';
  end if;
  update absurd.task t set claim_epoch = t.claim_epoch + 1
  where t.task_id = any (array(select w.task_id from absurd.wait w where w.a between 1 and 2 and w.b = 'and')) and t.x is distinct from 1
  returning case when t.state = 'failed' then 1 end;
  return p_task;
end
$$;
"""


@pytest.fixture
def function() -> Function:
    (function,) = functions(SQL)
    assert (function.name, function.body.of(SQL)[:6]) == ("_f", "\nbegin")
    return function


def taken(found: object) -> list[str]:
    return [" ".join(span.of(SQL).split()) for span, _ in found]  # type: ignore[attr-defined]


def test_conditions_are_cut_where_they_end(function: Function) -> None:
    masked = mask(SQL)

    assert taken(guards(masked, function)) == ["p_task.state <> 'running'"]
    assert taken(epochs(masked, function)) == ["p_task.claim_epoch <> p_epoch"]
    assert taken(cases(masked, function)) == ["t.state = 'failed'"]
    assert taken(conjuncts(masked, function)) == [
        "t.task_id = any (array(select w.task_id from absurd.wait w where w.a between 1 and 2 and w.b = 'and'))",
        "t.x is distinct from 1",
        "w.a between 1 and 2",
        "w.b = 'and'",
    ]


def test_a_function_is_emptied_to_what_its_callers_take(function: Function) -> None:
    assert emptied(SQL, function) == (function.body, "\nbegin return p_task; end\n")


def test_a_mutant_changes_its_place_and_no_other() -> None:
    mutant = Mutant("lock f 1", "f.sql", "f", "b", "x", 1, 2)

    assert mutant.apply("abc") == "axc"
    with pytest.raises(AssertionError):
        mutant.apply("acc")


def test_places_are_those_of_the_text() -> None:
    masked = mask(SQL)

    assert len(masked) == len(SQL)
    assert "comment" not in masked
    assert Span(0, 30).of(SQL).startswith("\ncreate or replace function")


def test_names_are_unique_and_each_changes_something() -> None:
    mutants = derive()

    assert len({m.name for m in mutants}) == len(mutants)
    assert [m.name for m in mutants if m.was == m.now] == []
