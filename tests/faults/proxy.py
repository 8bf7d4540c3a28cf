"""A proxy before PostgreSQL that cuts one conversation at a chosen place."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SOCKET = ".s.PGSQL.5432"

BEFORE, AFTER = "before it was sent", "before its answer came"


@dataclass
class Cut:
    """Cut the worker's `number`-th request: before it reaches the server, when it is answered, or within the answer.

    `place` is `BEFORE`, `AFTER`, or how many bytes of the answer still come through.
    """

    number: int
    place: str | int
    made: bool = False


class Proxy:
    """Listens in `folder` and forwards to the server's socket folder. Only connections of `purpose` are counted and cut.

    `deaf_to` refuses every connection of that purpose; from when `mute_to` is set on, no answer to that purpose comes through, and
    nobody is told so.
    """

    def __init__(self, folder: Path, server: str, *, purpose: str = "worker", deaf_to: str | None = None) -> None:
        self.folder = folder
        self.requests = 0
        self.cut: Cut | None = None
        self.refused = 0
        self.mute_to: str | None = None
        self._server = server
        self._purpose = f"tollway {purpose}".encode()
        self._deaf_to = None if deaf_to is None else f"tollway {deaf_to}".encode()
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._listener = await asyncio.start_unix_server(self._serve, self.folder / SOCKET)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def dsn(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._conversation(client, to_client)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            to_client.close()

    async def _conversation(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        hello = await client.read(65536)
        if self._deaf_to is not None and self._deaf_to in hello:
            self.refused += 1
            return
        server, to_server = await asyncio.open_unix_connection(f"{self._server}/{SOCKET}")
        line = _Line(server, to_server, to_client, muted=lambda: self.mute_to is not None and f"tollway {self.mute_to}".encode() in hello)
        answers = asyncio.create_task(line.answers())
        try:
            to_server.write(hello)
            counted = self._purpose in hello
            while data := await client.read(1 << 20):
                # a query, or a parse-bind-execute, is sent as a whole: the log-in's few messages are none of it
                if counted and data[:1] in b"QPB" and not self._let_pass(line.limit):
                    return
                to_server.write(data)
                await to_server.drain()
        finally:
            answers.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await answers
            to_server.close()

    def _let_pass(self, limit: Callable[[int], None]) -> bool:
        self.requests += 1
        cut = self.cut
        if cut is None or cut.made or cut.number != self.requests:
            return True
        cut.made = True
        if cut.place == BEFORE:
            return False
        limit(0 if cut.place == AFTER else int(cut.place))
        return True


class _Line:
    """From the server to the client, until a limit."""

    def __init__(
        self,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        to_client: asyncio.StreamWriter,
        *,
        muted: Callable[[], bool],
    ) -> None:
        self._server = server
        self._to_server = to_server
        self._to_client = to_client
        self._muted = muted
        self._left: int | None = None

    def limit(self, size: int) -> None:
        self._left = size

    async def answers(self) -> None:
        while data := await self._server.read(1 << 20):
            if self._muted():
                continue
            if self._left is not None:
                data, more = data[: self._left], len(data) >= self._left
                self._left -= len(data)
                self._to_client.write(data)
                if more:
                    # the server has answered, so it has committed; the client never learns
                    self._to_client.close()
                    self._to_server.close()
                    return
            else:
                self._to_client.write(data)
        self._to_client.close()
