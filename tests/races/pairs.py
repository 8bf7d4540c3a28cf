"""Which calls are run against one another in which scene: where they meet on a row, an event or a key."""

from __future__ import annotations

from itertools import combinations_with_replacement

from races.actors import ACTORS

_WORKER = "complete complete_foreign fail_retry fail_final sleep extend checkpoint record_step record_steps await spawn_child"
_GROUP = "sync_checkpoint sync_complete sync_fail sync_sleep sync_await sync_await_task sync_emit sync_spawn sync_put_back sync_release"

ROSTERS: dict[str, list[str]] = {
    scene: names.split()
    for scene, names in {
        "running": f"{_WORKER} {_GROUP} sync_strict heartbeat release claim cancel emit sync_await_t drop_queue",
        "expired": "complete fail_retry sleep extend checkpoint record_step record_steps await spawn_child heartbeat release claim cancel "
        "sync_checkpoint sync_complete sync_strict drop_queue",
        "last_attempt": "complete fail_final extend checkpoint heartbeat claim cancel cancel_parent sync_complete sync_fail",
        "ruled": "complete fail_retry fail_child claim heartbeat cancel spawn_child checkpoint sync_spawn",
        "family": "complete fail_final cancel cancel_parent complete_brother claim spawn_child spawn_brother sync_complete sync_fail "
        "sync_await_task drop_queue",
        "placeholder": "await emit cleanup_events sync_await sync_emit sync_emit_other sync_strict_other",
        "emitted": "await emit cleanup_events sync_await sync_emit sync_strict",
        "saved": "checkpoint record_step record_steps sync_checkpoint spawn sync_spawn sync_strict complete cancel sync_spawn_other",
        "pending": "claim cancel complete retry cleanup_tasks sync_await_t drop_queue",
        "waiting": "emit cancel claim await complete cleanup_events sync_emit_other sync_strict_other sync_await_t drop_queue",
        "timed_out": "claim emit cancel await cleanup_events sync_emit_other sync_strict_other",
        "failed": "retry cleanup_tasks spawn spawn_many sync_spawn_other sync_await_t cancel claim complete drop_queue",
        "completed": "cleanup_tasks spawn spawn_many sync_spawn_other sync_await_t complete cancel retry emit cleanup_events drop_queue",
        "purged": "cleanup_workflow_runs cleanup_tasks spawn complete retry cancel drop_queue",
        "retried": "claim cancel complete checkpoint spawn cleanup_tasks fail_retry sync_complete drop_queue",
        "broadcast": "emit cancel cancel_parent cancel_u claim drop_queue",
        "idle": "worker_idle create_queue drop_queue",
    }.items()
}

# The short cut leaves out scenes and calls whose locks another one of it takes in the same way.
SHORT_SCENES = {"running", "last_attempt", "family", "placeholder", "timed_out", "failed", "purged", "broadcast"}
SHORT_RUNNING = [
    "complete",
    "fail_retry",
    "checkpoint",
    "await",
    "claim",
    "cancel",
    "emit",
    "spawn_child",
    "sync_checkpoint",
    "sync_await",
    "sync_spawn",
    "sync_strict",
]


def partners(scene: str, name: str, *, full: bool) -> list[str]:
    """Whom a call meets in a scene: those that come after it in the roster, and itself."""
    names = ROSTERS[scene]
    if not full:
        names = SHORT_RUNNING if scene == "running" else names if scene in SHORT_SCENES else []
    return names[names.index(name) :] if name in names else []


def together() -> set[frozenset[str]]:
    return {frozenset(pair) for names in ROSTERS.values() for pair in combinations_with_replacement(names, 2)}


def elsewhere() -> list[tuple[str, str, str]]:
    """The pairs that no roster has, in the scene that has everybody but x and y (those are run in test_two_calls.py)."""
    have = together()
    names = [name for name, actor in ACTORS.items() if actor.subject not in ("x", "y")]
    return [("family", one, two) for one, two in combinations_with_replacement(names, 2) if frozenset((one, two)) not in have]


# Stopped between two statements of a function: one call of each kind that takes its locks in another way.
PAUSED: dict[str, list[str]] = {
    scene: names.split()
    for scene, names in {
        "placeholder": "await emit cleanup_events sync_await sync_strict_other",
        "emitted": "await emit cleanup_events sync_strict",
        "running": "complete fail_retry checkpoint await claim cancel spawn_child heartbeat sync_checkpoint sync_spawn sync_strict "
        "drop_queue",
        "expired": "claim complete heartbeat cancel checkpoint sync_complete",
        "last_attempt": "claim complete cancel cancel_parent",
        "ruled": "claim heartbeat fail_child cancel spawn_child",
        "family": "complete complete_brother cancel cancel_parent spawn_child spawn_brother claim sync_await_task drop_queue",
        "waiting": "emit cancel claim cleanup_events sync_strict_other drop_queue",
        "timed_out": "emit claim await",
        "failed": "retry cleanup_tasks spawn spawn_many sync_spawn_other claim drop_queue",
        "completed": "cleanup_tasks spawn complete sync_await_t",
        "purged": "cleanup_workflow_runs drop_queue",
        "broadcast": "emit cancel_parent cancel_u claim",
        "idle": "worker_idle create_queue drop_queue",
    }.items()
}

# Three sessions: calls that take more than one lock, or that leave what is held to others.
TRIPLES: dict[str, list[str]] = {
    scene: names.split()
    for scene, names in {
        "broadcast": "emit cancel_parent cancel_u claim drop_queue",
        "family": "complete complete_brother cancel_parent claim spawn_child spawn_brother sync_await_task",
        "placeholder": "await emit cleanup_events sync_emit_other sync_strict_other",
        "waiting": "emit cancel claim sync_strict_other cleanup_events",
        "failed": "retry cleanup_tasks spawn spawn_many claim",
        "expired": "claim complete heartbeat cancel sync_checkpoint",
        "last_attempt": "claim cancel_parent complete sync_fail",
    }.items()
}
