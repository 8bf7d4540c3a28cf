"""Signals: the first drains, the second does not wait for handlers, the third ends the process.

A drained worker finishes what it runs and takes nothing new; what is left after the grace period goes back to the
queue at once, so that other workers need not wait for leases to expire.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from types import TracebackType
from typing import Protocol

log = logging.getLogger("tollway.worker")

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stoppable(Protocol):
    """What signals act on."""

    def drain(self) -> None:
        """Take nothing new; end when what runs has ended, or when the grace period is over."""

    def hurry(self) -> None:
        """Do not wait for handlers any longer."""


class Signals:
    """While entered, SIGTERM and SIGINT stop the worker instead of the process."""

    def __init__(self, worker: Stoppable) -> None:
        self._worker = worker
        self._received = 0

    def __enter__(self) -> Signals:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._received_one, number)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    def _received_one(self, number: signal.Signals) -> None:
        self._received += 1
        if self._received == 1:
            log.info("%s: draining; again to stop handlers now", number.name)
            self._worker.drain()
        elif self._received == 2:
            log.info("%s again: stopping handlers; once more to end at once", number.name)
            self._worker.hurry()
        else:
            for each in SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            signal.raise_signal(number)
