"""Tasks whose workflow this worker does not know: another release may, so they are put back, not failed."""

from __future__ import annotations

from collections import OrderedDict

from tollway.worker.backoff import Backoff

FIRST, MOST = 1.0, 60.0
REMEMBERED = 1000


class UnknownNames:
    """The delay for each unknown name, growing each time one turns up."""

    def __init__(self) -> None:
        self._backoffs: OrderedDict[str, Backoff] = OrderedDict()

    def next_delay(self, name: str) -> float:
        """Seconds after which the task may be tried again."""
        backoff = self._backoffs.setdefault(name, Backoff(FIRST, MOST))
        self._backoffs.move_to_end(name)
        if len(self._backoffs) > REMEMBERED:
            self._backoffs.popitem(last=False)
        return backoff.next()

    def is_new(self, name: str) -> bool:
        """True the first time, so that it is reported once."""
        return name not in self._backoffs
