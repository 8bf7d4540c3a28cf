"""What `verify` prints."""

from __future__ import annotations

from collections.abc import Sequence

from tollway.audit.scratch.compare import Comparison
from tollway.audit.scratch.probe import Move


def render(found: Comparison, probed: Sequence[str]) -> str:
    """The bugs of the auditor first, then what the driver did not reach, then the count."""
    lines: list[str] = []
    for move, why in found.unexplained:
        lines += [f"UNEXPLAINED: {move.event} on {move.relation}, {move.times} times: {why}", f"  by {stack(move)}"]
        lines += [f"   | {' '.join(move.sql.split())[:200]}", ""]
    lines += [f"not exercised: {w.span}  {w.routine}  {w.verb} {w.relation}" for w in found.idle]
    for move in found.by_driver:
        lines.append(f"by the driver itself: {move.event} on {move.relation}, {move.times} times")
    places = {w.key for _, w in found.explained}
    times = sum(move.times for move, _ in found.explained)
    lines.append(
        f"{len(probed)} tables probed; {times} changes of state at {len(places)} places were known, {len(found.unexplained)} were not; "
        f"{len(found.idle)} places not exercised"
    )
    if not probed:
        lines.append("no table of the configured states exists: nothing was watched")
    return "\n".join(lines)


def stack(move: Move) -> str:
    """The functions from the innermost outwards."""
    return " < ".join(f"{f.function}:{f.line}" if f.line else f"{f.function} statement {f.statement}" for f in move.frames)
