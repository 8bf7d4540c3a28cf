"""absurd's unmodified SDK on Tollway's schema: what the schema alone changes."""

from __future__ import annotations

from systems.absurd import AbsurdSystem
from systems.tollway import TollwaySystem


class AbsurdOnTollway(AbsurdSystem):
    name = "absurd_on_tollway"
    schema = "tollway"
    done = TollwaySystem.done
    failed = TollwaySystem.failed
    checkpoints = TollwaySystem.checkpoints
    waiting = TollwaySystem.waiting
    results = TollwaySystem.results


SYSTEM = AbsurdOnTollway
