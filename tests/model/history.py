"""What no single look can show: it is judged by what was seen and told before, without the model."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from model.observe import Seen
from model.world import Saved
from sql.helpers import T0

OVER = ("completed", "failed", "cancelled")


class History:
    """Everything that was seen and told so far; `check` gives what contradicts it."""

    def __init__(self) -> None:
        self._saved: dict[tuple[UUID, str], Saved] = {}
        self._told: dict[tuple[UUID, str], Any] = {}
        self._log: dict[UUID, list[Any]] = {}

    def told(self, task: UUID, step: str, answer: Any) -> list[str]:
        """An awaiter with an epoch, or with a payload, was told this; it may never be told otherwise."""
        before = self._told.setdefault((task, step), answer)
        return [] if before == answer else [f"{task} {step}: told {before!r} first, and then {answer!r}"]

    def check(self, seen: Seen) -> list[str]:
        found: list[str] = []
        for task, steps in seen.saved.items():
            for step, saved in steps.items():
                if self._saved.setdefault((task, step), saved) != saved:
                    found.append(f"{task} {step}: the checkpoint was {self._saved[task, step]} and is {saved}")
        for task, step in self._saved:
            if task in seen.tasks and step not in seen.saved.get(task, {}):
                found.append(f"{task} {step}: the checkpoint is gone")
        for task, rows in seen.log.items():
            before = self._log.get(task, [])
            if rows[: len(before)] != before:
                found.append(f"{task}: the log was rewritten")
            self._log[task] = rows
            if len(rows) > len(before):
                found += _wrong_with(task, rows)
        return found


def _wrong_with(task: UUID, rows: list[Any]) -> list[str]:
    found = []
    if [row[1] for row in rows] != list(range(1, len(rows) + 1)):
        found.append(f"{task}: seq is not dense: {[row[1] for row in rows]}")
    ended, not_before = False, None
    for _, seq, event, _, to, _, _, _, at, detail in rows:
        if event == "task.retried":
            ended = False
        elif to in OVER:
            if ended:
                found.append(f"{task}: over twice, at seq {seq}")
            ended = True
        if event == "run.claimed" and not_before is not None and at < not_before:
            found.append(f"{task}: claimed at {at}, before {not_before} (seq {seq})")
        not_before = _timer(event, detail)
    return found


def _timer(event: str, detail: Any) -> datetime | None:
    """The moment before which this move lets nobody claim; None: at once."""
    if event not in ("task.spawned", "run.suspended", "run.put_back", "run.retried") or not detail:
        return None
    for key in ("start_at", "until", "timeout_at", "retry_at"):
        if detail.get(key):
            text = detail[key]
            return T0.max.replace(tzinfo=T0.tzinfo) if text == "infinity" else datetime.fromisoformat(text)
    # for ever, but for an event
    return T0.max.replace(tzinfo=T0.tzinfo) if event == "run.suspended" else None
