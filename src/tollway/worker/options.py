"""A worker's settings, validated once."""

from __future__ import annotations

from dataclasses import dataclass

from tollway.errors import InvalidOption


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Durations are in seconds."""

    queue: str = "default"
    concurrency: int = 20
    """How many handlers run at once."""
    lease: int = 30
    """How long a task of a dead worker waits, at most, before others may take it. Renewed every third of it."""
    grace: float = 30.0
    """How long handlers may go on after the first signal."""
    name: str | None = None
    """Default: host and process id."""
    version: str | None = None
    """The release of the code, kept with each run."""
    once: bool = False
    """End when the queue has nothing due."""

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise InvalidOption(f"concurrency is {self.concurrency}", hint="use at least 1.")
        if self.lease < 1:
            raise InvalidOption(f"lease is {self.lease} s", hint="use at least 1 second.")
        if self.grace < 0:
            raise InvalidOption(f"grace is {self.grace} s", hint="use at least 0 seconds.")

    @property
    def prefetch(self) -> int:
        """Claims held beyond the slots: they cost a lease each, and save a slot the wait for a round trip."""
        return max(1, self.concurrency // 2)
