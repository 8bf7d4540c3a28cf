"""The name that was perhaps meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A question and a space, or nothing when no name is near."""
    near = get_close_matches(given, list(known), n=1)
    return f"did you mean {near[0]!r}? " if near else ""
