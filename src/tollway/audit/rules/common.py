"""What several rules say in the same way."""

from __future__ import annotations

from collections.abc import Collection

from tollway.audit.analysis import Analysis
from tollway.audit.model import Span, Write


def subject(write: Write) -> str:
    """The write in words, without lines."""
    to = f" to {'|'.join(write.state_values)}" if write.state_values else ""
    column = f".{write.state_columns[0]}" if write.state_columns and write.verb == "update" else ""
    return f"{write.routine}: {write.verb} {write.relation}{column}{to}"


def reach(analysis: Analysis, start: str, goals: Collection[str]) -> tuple[Span, ...] | None:
    """The calls from a routine to the first of the goals, by the shortest way; () if it is one itself."""
    paths: dict[str, tuple[Span, ...]] = {start: ()}
    frontier = [start]
    while frontier:
        following: list[str] = []
        for routine in frontier:
            if routine in goals:
                return paths[routine]
            for call in analysis.facts.calls:
                if call.source == routine and call.target not in paths:
                    paths[call.target] = (*paths[routine], call.span)
                    following.append(call.target)
        frontier = following
    return None
