"""Which moves were made and which forbidden ones were tried, over a whole run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from model.world import LIVE, MOVES, OVER

Move = tuple[str, str, str]
STATES = (*LIVE, *OVER)
EVENTS = tuple(sorted({event for _, _, event in MOVES}))
# a task that is there moves by an update, one that is new comes by an insert; a purged one is not there to be moved
FORBIDDEN = (
    frozenset({(old, new, event) for old in STATES for new in STATES for event in EVENTS} | {("new", s, "task.spawned") for s in STATES})
    - MOVES
)


@dataclass
class Coverage:
    """What a run came to."""

    made: Counter[Move] = field(default_factory=Counter)
    tried: set[Move] = field(default_factory=set)
    rules: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(rule, SQLSTATE) of what database and model refused alike."""
    steps: int = 0
    examples: int = 0

    @property
    def never_made(self) -> list[Move]:
        return sorted(MOVES - self.made.keys())

    @property
    def never_tried(self) -> list[Move]:
        return sorted(FORBIDDEN - self.tried)

    @property
    def stale(self) -> float:
        """The share of steps that acted on a stale handle, or wrote what nobody may."""
        return sum(n for rule, n in self.rules.items() if rule.startswith(("stale_", "raw_"))) / max(1, self.steps)

    def report(self) -> str:
        lines = [f"{self.examples} examples, {self.steps} steps, {self.stale:.0%} of them by stale handles or direct writes"]
        lines += [f"  {old} -> {new} by {event}: {n}" for (old, new, event), n in sorted(self.made.items())]
        lines.append(f"moves made: {len(self.made)} of {len(MOVES)}; forbidden ones tried: {len(self.tried)} of {len(FORBIDDEN)}")
        lines += [f"  never made: {m}" for m in self.never_made] + [f"  never tried: {m}" for m in self.never_tried[:10]]
        refused: Counter[str] = Counter()
        for (_, state), n in self.refused.items():
            refused[state] += n
        lines.append(f"refused: {dict(refused.most_common())}")
        lines.append(f"rules: {dict(self.rules.most_common())}")
        return "\n".join(lines)
