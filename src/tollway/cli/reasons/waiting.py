"""The task waits for an event, or for the end of another task."""

from __future__ import annotations

from tollway.cli.queries.explain import Situation, Wait
from tollway.cli.reasons.answer import Answer
from tollway.cli.story import when
from tollway.cli.suggest import did_you_mean

ENDED = ("completed", "failed", "cancelled")


def missed_wake_up(found: Situation) -> Answer | None:
    """What it waits for is there, and it still sleeps."""
    for wait in _open(found):
        if wait.emitted_at is not None:
            what = f"event {wait.event!r} was emitted {when(wait.emitted_at, found.now)}"
        elif wait.awaited_state in ENDED:
            what = f"task {wait.awaited} is {wait.awaited_state}"
        else:
            continue
        facts = ("The next claims mend what was left to them; `repair` does it now.",)
        return Answer("missed_wake_up", f"What it waits for has come ({what}), but it was not woken.", "tollway repair --apply", facts)
    return None


def waiting_for_event(found: Situation) -> Answer | None:
    """Nobody has emitted the event yet, on this queue, by this name."""
    for wait in _open(found):
        if wait.event is None or wait.emitted_at is not None:
            continue
        queue = found.row["queue_name"]
        facts = [f"Nobody has emitted it on queue {queue}. Whoever does, wakes it: a workflow's or a client's emit_event."]
        if wait.other_queues:
            facts.append(f"It was emitted on queue {', '.join(wait.other_queues)}; events belong to one queue.")
        if near := did_you_mean(wait.event, wait.near_events):
            facts.append(f"A similar one was emitted: {near.strip()}")
        facts.append(_until(wait, found))
        says = f"It waits for event {wait.event!r} since {when(wait.created_at, found.now)}, in step {wait.step!r}."
        return Answer("waiting_for_event", says, f"tollway event emit {_quoted(wait.event)} JSON --queue {queue}", tuple(facts))
    return None


def waiting_for_task(found: Situation) -> Answer | None:
    """The other task has not ended."""
    for wait in _open(found):
        if wait.awaited is None or wait.awaited_state in ENDED:
            continue
        if wait.awaited_state is None:
            state = "is not there any more"
        else:
            state = f"({wait.awaited_name}, queue {wait.awaited_queue}) is {wait.awaited_state}"
        says = f"It waits for the end of task {wait.awaited}, which {state}, since {when(wait.created_at, found.now)}."
        return Answer("waiting_for_task", says, f"tollway explain {wait.awaited}", (_until(wait, found),))
    return None


def _open(found: Situation) -> tuple[Wait, ...]:
    return found.waits if found.state == "sleeping" and not found.is_due else ()


def _until(wait: Wait, found: Situation) -> str:
    return f"Its time-out comes {when(wait.timeout_at, found.now)}." if wait.timeout_at else "It has no time-out."


def _quoted(name: str) -> str:
    plain = all(letter.isalnum() or letter in "-_.:/@" for letter in name)
    return name if plain else "'" + name.replace("'", "'\\''") + "'"
