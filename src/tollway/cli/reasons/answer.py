"""What a reason answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """Why a task stands still: the reason's name, one sentence, the next command to type, and what else is known."""

    reason: str
    says: str
    next: str
    facts: tuple[str, ...] = ()
