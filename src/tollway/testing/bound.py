"""An application that points to a test's database, and back after the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from tollway.client import AbsurdClient
from tollway.errors import InvalidOption
from tollway.testing.database import TestDatabase
from tollway.worker import WorkerOptions
from tollway.workflow import Tollway
from tollway.workflow.business import Source, dispose, takes_dsn
from tollway.workflow.definition import Registry

Connect = Callable[[str], Source]


class Bound:
    """One app, the queues that are worked off for it, and what makes its business connections."""

    def __init__(self, app: Tollway, queues: Sequence[str], connect: Connect | None) -> None:
        if connect is None and hasattr(app.registry.connect, "begin"):
            raise InvalidOption(
                "the app's connect is an engine or a session factory, bound to a database that is not the test's",
                hint="give env.bind what makes one: env.bind(app, connect=lambda dsn: create_engine(dsn)).",
            )
        self.app = app
        self.queues = tuple(dict.fromkeys((app.queue, *queues)))
        self._connect = app.registry.connect if connect is None and takes_dsn(app.registry.connect) else connect
        self._before = app._dsn  # noqa: SLF001 - the one setting of an app that a test has to change

    def point_at(self, database: TestDatabase) -> None:
        """From here on, the app's dsn is the database's; its queues are there."""
        self.app._dsn = database.dsn  # noqa: SLF001 - as above
        client = AbsurdClient(database.conn)
        for queue in self.queues:
            client.create_queue(queue)

    def point_back(self) -> None:
        self.app._dsn = self._before  # noqa: SLF001 - as above

    @asynccontextmanager
    async def opened(self, dsn: str) -> AsyncIterator[Registry]:
        """The app's registry with business connections to `dsn`, closed at the end of the block."""
        if self._connect is None:
            yield self.app.registry
            return
        source = self._connect(dsn)
        try:
            yield copied(self.app.registry, source)
        finally:
            await dispose(source)

    def options(self, queue: str, lease: int) -> WorkerOptions:
        return WorkerOptions(queue=queue, once=True, lease=lease, grace=0.0, name="test")


def copied(registry: Registry, connect: Source) -> Registry:
    """The same workflows and hooks, with other business connections."""
    copy = Registry()
    for name in registry.names():
        copy.add(registry.get(name))
    copy.hooks = registry.hooks
    copy.connect = connect
    return copy
