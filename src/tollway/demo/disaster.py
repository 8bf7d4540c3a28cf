"""What goes wrong on purpose: SIGKILL to a worker that provably holds claims, SIGKILL to the server, or both at once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tollway.demo.processes import House, Worker
from tollway.demo.watch import Snapshot, Watch

AIM, TOO_LATE = 0.35, 0.7  # strike from the one, never after the other


class DemoFailed(Exception):
    """Something is not as promised; the message says what."""


@dataclass(frozen=True, slots=True)
class Disaster:
    """What was killed, and when. `held`: the packages that the killed worker held, by task id."""

    steps: int
    of: int
    at: datetime
    worker: Worker | None
    held: Mapping[str, str]
    postmaster: int | None
    outage: float

    @property
    def share(self) -> float:
        return self.steps / self.of


def strike(kill: str, house: House, watch: Watch, seen: Snapshot, of: int) -> Disaster | None:
    """Kill what `kill` names, if the moment is right; None: not now, look again.

    A worker is frozen first. Once its last statement has ended, what it holds in the database it holds for ever.
    """
    if seen.steps < AIM * of:
        return None
    victim = None
    if kill in ("worker", "both"):
        frozen = _freeze_a_holder(house.workers, watch, seen)
        if frozen is None:
            _check_not_too_late(seen, of)
            return None
        victim, seen = frozen
    _check_not_too_late(seen, of)
    at = datetime.now(UTC)
    if victim is not None:
        victim.kill()
    postmaster, outage = _kill_server(house) if kill in ("postgres", "both") else (None, 0.0)
    held = seen.claims[victim.name] if victim else {}
    return Disaster(seen.steps, of, at, victim, held, postmaster, outage)


def _freeze_a_holder(workers: Sequence[Worker], watch: Watch, seen: Snapshot) -> tuple[Worker, Snapshot] | None:
    """The worker that holds most, stopped, and what the database says then; None if it holds nothing any more."""
    holders = [worker for worker in workers if seen.claims.get(worker.name)]
    if not holders:
        return None
    victim = max(holders, key=lambda worker: len(seen.claims[worker.name]))
    victim.freeze()
    watch.wait_until_quiet()
    seen = watch.look()
    if seen.claims.get(victim.name):
        return victim, seen
    victim.thaw()
    return None


def _check_not_too_late(seen: Snapshot, of: int) -> None:
    if seen.steps > TOO_LATE * of:
        raise DemoFailed(f"{seen.steps} of {of} steps were stored before the moment to kill something had come")


def _kill_server(house: House) -> tuple[int | None, float]:
    postmaster = house.server.postmaster_pid
    began = time.monotonic()
    house.server.kill()
    while house.server.postmaster_pid is not None:
        time.sleep(0.01)
    house.server.start()
    return postmaster, time.monotonic() - began
