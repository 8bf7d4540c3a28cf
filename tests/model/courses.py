"""Courses of several calls that chance alone seldom finds: who waits is woken or timed out, a lease ends, a parent awaits its child."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from model.machine import DOOR, EVENTS, NUMBER, STEPS, VALUES, holding
from model.rules import LEASES, OPTIONS
from model.sync_rules import Grouped


class Everybody(Grouped):
    """All rules."""

    @rule(n=NUMBER, door=DOOR, options=st.sampled_from(OPTIONS), lease=st.sampled_from(LEASES))
    def work_comes(self, n: int, door: str, options: dict[str, Any], lease: int) -> None:
        queue = self.queue(n)
        self._spawn("work_comes", queue, door, options, None)
        self._claim(queue, door, 3, lease, f"w{n % 3}")

    @holding
    @rule(n=NUMBER, door=DOOR, epoch=st.booleans(), come=st.sampled_from(["event", "time", "both", "late"]), value=st.sampled_from(VALUES))
    def waits_and_goes_on(self, n: int, door: str, epoch: bool, come: str, value: Any) -> None:
        """The same step, asked again by whoever claims the task then, gets the same answer."""
        handle = self.held(n, epoch=epoch)
        assert handle is not None
        queue, task, _, _ = handle
        # what has not happened yet, while there is such a thing: else nobody ever waits
        saved = self.world.tasks[task].saved
        step = next((s for s in STEPS if s not in saved), STEPS[n % 3])
        event = next((e for e in EVENTS if (queue, e) not in self.world.events), EVENTS[n % 7])
        self._await("waits_and_goes_on", handle, door, step, event, 6)
        self.look()
        if come in ("time", "late"):
            self.move_clock(7)
        if come != "time":
            self._emit("waits_and_goes_on", queue, door, event, value)
            self.look()
        if come == "both":
            self.move_clock(7)
        self._claim(queue, door, 10, 100, "w8")
        self.look()
        found = self.world.find(queue, task)
        if found is not None and found.state == "running":
            again = (queue, task, found.attempt, found.epoch if epoch else None)
            for _ in range(2):
                self._await("waits_and_goes_on", again, door, step, event, 6)

    @rule(n=NUMBER, door=DOOR, seconds=st.sampled_from([31, 101]))
    def leases_end(self, n: int, door: str, seconds: int) -> None:
        self.move_clock(seconds)
        self._claim(self.queue(n), door, n % 3 + 1, 30, "sweeper")

    @holding
    @rule(n=NUMBER, door=DOOR, end=st.sampled_from(["complete", "fail", "cancel", "purge", "time"]), value=st.sampled_from(VALUES))
    def parent_awaits_its_child(self, n: int, door: str, end: str, value: Any) -> None:
        """In one call it starts a child and awaits it; the child ends in some way, and the parent is told, now and ever."""
        parent = self.held(n, epoch=True)
        assert parent is not None
        queue = parent[0]
        self._sync("parent_awaits_its_child", [("spawn", n, parent)], door, None)
        saved = self.world.tasks[parent[1]].saved.get(STEPS[n % 3])
        children = [t for t in self.world.tasks.values() if t.parent == parent[1]]
        if saved is None or not children:
            return
        child, step = children[-1], STEPS[(n + 1) % 3]
        wait = {"op": "await_task", "task_id": parent[1], "epoch": parent[3], "step": step, "task": child.id, "timeout": 6}
        self._send("parent_awaits_its_child", queue, [wait], door, None)
        self.look()
        self._claim(queue, door, 10, 100, "w7")
        run = (queue, child.id, child.attempt, child.epoch)
        if end == "complete":
            self._complete("parent_awaits_its_child", run, door, value)
        elif end == "fail":
            self._fail("parent_awaits_its_child", run, door, None, False)
        elif end == "time":
            self.move_clock(7)
        else:
            self._cancel("parent_awaits_its_child", queue, child.id, door)
        if end == "purge":
            self.move_clock(1)
            self._cleanup("parent_awaits_its_child", queue, door, 0)
        self.look()
        self._claim(queue, door, 10, 100, "w7")
        found = self.world.find(queue, parent[1])
        if found is not None and found.state == "running":
            for _ in range(2):
                self._send("parent_awaits_its_child", queue, [{**wait, "epoch": found.epoch}], door, None)
