"""PgQueuer on asyncpg and uvloop. A job that has ended leaves the queue; its end is a row of the log."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from harness.system import BUSINESS, INSERT_BUSINESS, WAIT_AT_MOST, System

BATCH = 100


class PgqueuerSystem(System):
    name = "pgqueuer"
    requirements = "pgqueuer.txt"
    module = "pgqueuer"
    features = frozenset({"tasks"})
    polls = {"defaults": None, "tuned": 0.1}
    done = "select count(*) from pgqueuer_log where status = 'successful'"
    failed = "select count(*) from pgqueuer_log where status in ('exception', 'canceled', 'deleted', 'failed')"
    settle = "vacuum analyze"

    def install(self) -> None:
        async def main() -> None:
            import asyncpg
            from pgqueuer.db import AsyncpgDriver
            from pgqueuer.queries import Queries

            connection = await asyncpg.connect(self.dsn)
            await Queries(AsyncpgDriver(connection)).install()
            await connection.execute(BUSINESS)
            await connection.close()

        asyncio.run(main())

    def open(self) -> None:
        import uvloop

        self._loop = uvloop.new_event_loop()
        self._loop.run_until_complete(self._open())

    async def _open(self) -> None:
        import asyncpg
        from pgqueuer.core.completion import CompletionWatcher
        from pgqueuer.db import AsyncpgDriver
        from pgqueuer.queries import Queries

        self._connection = await asyncpg.connect(self.dsn)
        self._queries = Queries(AsyncpgDriver(self._connection))
        listening = AsyncpgDriver(await asyncpg.connect(self.dsn))
        self._watcher = CompletionWatcher(listening, queries=Queries(listening), debounce=timedelta(milliseconds=1))
        self._watching = False

    def start(self, kind: str, number: int, body: Any = None) -> Any:
        return self._loop.run_until_complete(self._queries.enqueue(kind, _payload(number, body)))[0]

    def start_many(self, kind: str, numbers: Sequence[int], body: Any = None) -> None:
        payloads = [_payload(number, body) for number in numbers]
        self._loop.run_until_complete(self._queries.enqueue([kind] * len(payloads), payloads, [0] * len(payloads)))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Callable[[str, int], None]]:
        run = self._loop.run_until_complete
        transaction = self._connection.transaction()
        run(transaction.start())
        run(self._connection.execute(INSERT_BUSINESS))
        yield self.start  # type: ignore[misc]
        run(transaction.commit())

    def wait(self, handle: Any) -> None:
        async def ended() -> None:
            if not self._watching:  # it listens from the first wait on
                await self._watcher.__aenter__()
                self._watching = True
            status = await asyncio.wait_for(self._watcher.wait_for(handle), WAIT_AT_MOST)
            if status != "successful":
                raise ValueError(f"job {handle}: {status}")

        self._loop.run_until_complete(ended())

    def work(self, concurrency: int, poll: float | None = None) -> None:  # noqa: ARG002 - a batch is what it has at once
        import uvloop

        async def main() -> None:
            import asyncpg
            from pgqueuer import PgQueuer
            from pgqueuer.db import AsyncpgDriver

            app = PgQueuer(AsyncpgDriver(await asyncpg.connect(self.dsn)))
            _register(app, self)
            await app.run(batch_size=BATCH, **({} if poll is None else {"dequeue_timeout": timedelta(seconds=poll)}))

        uvloop.run(main())


def _payload(number: int, body: Any) -> bytes:
    return json.dumps([number, body]).encode()


def _register(app: Any, system: System) -> None:
    marks = system.marks

    async def noop(_job: Any) -> None:
        marks.hit()

    async def stamp(job: Any) -> None:
        marks.stamp(json.loads(job.payload)[0])

    for handler in (noop, stamp):
        app.entrypoint(handler.__name__)(handler)


SYSTEM = PgqueuerSystem
