"""Our own schema under our own auditor: nothing to find, and each effect of the gate is missed when it is taken out of a copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tollway.audit.analysis import Analysis, read_sources
from tollway.audit.config import Config, read_config
from tollway.audit.load.code import Source
from tollway.audit.load.files import load
from tollway.audit.prove.ladder import prove
from tollway.audit.rules import check

SQL = Path(__file__).resolve().parents[3] / "src" / "tollway" / "sql"
CONFIG = read_config(SQL / "tollway-audit.toml")
SOURCES = load([str(SQL)], CONFIG.exclude).sources
EFFECTS = {"log", "workflow_run", "ended run", "wake-ups", "children"}


def judged(sources: list[Source], config: Config = CONFIG) -> Analysis:
    analysis = read_sources(config, sources)
    analysis.verdicts = prove(analysis)
    analysis.findings = check(analysis)
    return analysis


def edited(old: str, new: str, times: int = 1) -> list[Source]:
    """The schema with one text replaced, which must stand there so many times."""
    assert sum(source.text.count(old) for source in SOURCES) == times, old
    return [Source(source.file, source.text.replace(old, new)) for source in SOURCES]


def missed(analysis: Analysis) -> set[str]:
    """The effects that BP001 asks for."""
    return {effect for effect in EFFECTS for f in analysis.findings if f.id == "BP001" and f.subject.endswith(f"|{effect}")}


def test_our_schema_has_no_finding_and_every_effect_is_guaranteed_by_a_trigger() -> None:
    analysis = judged(SOURCES)

    assert [f.message for f in analysis.findings] == []
    assert analysis.facts.unknowns == []
    assert {v.status for v in analysis.verdicts} == {"guaranteed"}
    assert {v.effect for v in analysis.verdicts} == EFFECTS
    assert {v.write.verb for v in analysis.verdicts} == {"insert", "update", "delete"}
    assert CONFIG.ignore == ()


@pytest.mark.parametrize("reason", [a.condition or a.relation for a in CONFIG.assume])
def test_each_assumption_is_needed_and_given_a_reason(reason: str) -> None:
    (told,) = (a for a in CONFIG.assume if reason in (a.condition, a.relation))

    assert len(told.reason) > 20
    assert judged(SOURCES, replace(CONFIG, assume=tuple(a for a in CONFIG.assume if a is not told))).findings


def test_an_assumption_that_matches_nothing_is_reported() -> None:
    analysis = judged(edited("if v_moved = 0 then", "if v_moved < 1 then"))

    assert [u.kind for u in analysis.facts.unknowns] == ["unused assumption"]


ALL = EFFECTS
DELETED = {"log", "workflow_run", "wake-ups"}
TRIGGERS = {
    "zzz_gate_project_insert after insert": {"log", "workflow_run"},
    "zzz_gate_project_update after update": ALL,
    "zzz_gate_project_delete after delete": DELETED,
}


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("how", ["dropped", "disabled", "for replicas only", "on another column", "never"])
def test_a_trigger_of_the_gate_that_does_not_fire_is_found(trigger: str, how: str) -> None:
    name, event = trigger.split(" ", 1)
    text = f"create or replace trigger {trigger} on absurd.task"
    after = {"disabled": "disable", "for replicas only": "enable replica"}
    if how == "dropped":
        sources = edited(text, f"create or replace trigger {name} {event} on absurd.elsewhere")
    elif how in after:
        sources = [*SOURCES, Source("after.sql", f"alter table absurd.task {after[how]} trigger {name};")]
    elif how == "on another column" and "update" in event:
        sources = edited(text, f"create or replace trigger {name} after update of tags on absurd.task")
    elif how == "never":
        whole = (
            f"{text}\n  referencing {'old table as old_rows' if 'delete' in event else 'new table as new_rows'} for each statement execute"
        )
        sources = edited(whole, f"{text} for each row when (false) execute")
    else:
        sources = edited(text, f"create or replace trigger {name} after truncate on absurd.task")

    assert missed(judged(sources)) >= TRIGGERS[trigger]


GATE = [
    ("insert into absurd.absurd_event_log (\n    queue_name, task_id, seq, workflow_run_id, run_id, attempt, claim_epoch, event, "
     "from_state, to_state, worker,", "insert into absurd.elsewhere (", 2, {"log"}),
    ("insert into absurd.run (task_id,", "insert into absurd.elsewhere (task_id,", 1, {"ended run"}),
    ("    insert into absurd.workflow_run (\n      workflow_run_id, external_id, workflow_name, workflow_version, workflow_hash, "
     "status, absurd_queue, absurd_run_id,\n      inputs, tags,", "    insert into absurd.elsewhere (inputs, tags,", 1, {"workflow_run"}),
    ("update absurd.workflow_run w\n    set status", "update absurd.elsewhere w\n    set status", 1, {"workflow_run"}),
    ("update absurd.workflow_run w set purged_at", "update absurd.elsewhere w set purged_at", 1, {"workflow_run"}),
    ("perform absurd._wake_awaiters(v_over)", "perform absurd._nobody(v_over)", 1, {"wake-ups"}),
    ("perform absurd._wake_awaiters(v_ids)", "perform absurd._nobody(v_ids)", 1, {"wake-ups"}),
    ("perform absurd._cancel_children(v_stopped)", "perform absurd._nobody(v_stopped)", 1, {"children"}),
    ("  if v_moved = 0 then", "  if new_rows is null then return null; end if;\n  if v_moved = 0 then", 1, ALL),
    ("elsif v_roots > 0 then", "elsif v_roots > 0 and v_moved < 1000 then", 1, {"workflow_run"}),
    ("  if v_ended > 0 then\n    insert into absurd.run", "  if v_queues is null then\n    insert into absurd.run", 1, {"ended run"}),
    ("  get diagnostics v_context = pg_context;\n  insert into absurd.absurd_event_log (\n    queue_name, task_id, seq, workflow_run_id, "
     "run_id, attempt, claim_epoch, event, from_state, to_state, worker,\n    login_role, set_role, application_name, via, detail,",
     "  get diagnostics v_context = pg_context;\n  if tg_op = 'UPDATE' then return null; end if;\n"
            "insert into absurd.absurd_event_log (detail,",
     1, ALL),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "times", "expected"), GATE, ids=[new.strip()[:60].split("\n")[0] for _, new, _, _ in GATE])
def test_an_effect_taken_out_of_the_gate_is_found(old: str, new: str, times: int, expected: set[str]) -> None:
    analysis = judged(edited(old, new, times))

    assert missed(analysis) == expected


def test_an_effect_that_may_be_swallowed_is_found() -> None:
    sources = edited(
        "    perform absurd._wake_awaiters(v_over);",
        "    begin perform absurd._wake_awaiters(v_over); exception when others then null; end;",
    )

    assert {f.id for f in judged(sources).findings} >= {"BP001", "BP011"}


def test_a_role_that_may_write_tasks_is_found() -> None:
    sources = [*SOURCES, Source("after.sql", "grant update on absurd.task to tollway_worker;")]

    assert [f.id for f in judged(sources).findings] == ["BP015"]
