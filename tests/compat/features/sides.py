"""Both sides of a queue: absurd's SDKs, unmodified, through their own public API, and our worker; the same workflows on each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import absurd_sdk

from fixtures.database import Database
from fixtures.node import NodeProgram
from fixtures.waiting import until
from tollway.client import Client
from tollway.errors import AwaitTimedOut
from tollway.worker import Worker, WorkerOptions
from tollway.workflow import Tollway

LEASE = 60
PYTHON_WORDS = {"baseSeconds": "base_seconds", "maxAttempts": "max_attempts", "retryStrategy": "retry_strategy",
                "idempotencyKey": "idempotency_key"}  # fmt: skip


class PythonSdk:
    """absurd-sdk for Python."""

    name = "python"

    def __init__(self, db: Database, queue: str) -> None:
        self._db, self.queue = db, queue
        self.held, self.stopped, self._fallen = threading.Event(), threading.Event(), set[str]()
        self._release = threading.Event()
        self.app = self._registered()
        self._thread: threading.Thread | None = None

    def _registered(self) -> absurd_sdk.Absurd:
        app = absurd_sdk.Absurd(self._db.connect(), queue_name=self.queue)
        handlers = {"shared": self._shared, "sleeps": self._sleeps, "waits": self._waits, "holds": self._holds}
        for name, handler in handlers.items():
            app.register_task(name)(handler)
        return app

    def _shared(self, params: Any, ctx: Any) -> list[str]:
        first = ctx.step("first", lambda: "python")
        if params.get("fall") == "python" and str(ctx.task_id) not in self._fallen:
            self._fallen.add(str(ctx.task_id))
            raise RuntimeError("the first half is done")
        return [first, ctx.step("second", lambda: "python")]

    def _sleeps(self, params: Any, ctx: Any) -> str:
        ctx.sleep_for("nap", params["seconds"])
        return "awake"

    def _waits(self, params: Any, ctx: Any) -> Any:
        try:
            return {"payload": ctx.await_event(params["event"], timeout=params.get("options", {}).get("timeout"))}
        except absurd_sdk.TimeoutError:
            return {"timedOut": True}

    def _holds(self, params: Any, ctx: Any) -> str:
        try:
            while not self._release.is_set():
                ctx.heartbeat(params["seconds"])
                self.held.set()
                self._release.wait(0.02)
        finally:
            self.stopped.set()
        return "released"

    def spawn(self, name: str, params: Any, **options: Any) -> str:
        words = {PYTHON_WORDS[key]: value for key, value in options.items()}
        if "retry_strategy" in words:
            words["retry_strategy"] = {PYTHON_WORDS.get(key, key): value for key, value in words["retry_strategy"].items()}
        return str(self.app.spawn(name, params, queue=self.queue, **words)["task_id"])

    def work(self) -> None:
        self.app.work_batch("foreign", LEASE, 1)

    def hold(self, task: str) -> None:
        """Work in the background until the handler has sent a heartbeat."""
        self._thread = threading.Thread(target=self._registered().work_batch, args=("foreign", LEASE, 1))
        self._thread.start()
        assert self.held.wait(60)

    def release(self) -> None:
        self._release.set()

    def join(self) -> None:
        """Until the handler has ended."""
        assert self._thread is not None
        self._thread.join(60)
        assert not self._thread.is_alive()

    def claim(self) -> int:
        return len(self.app.claim_tasks(1, LEASE, "foreign"))

    def result(self, task: str) -> dict[str, Any]:
        ended = self.app.await_task_result(task, timeout=60)
        return {"state": ended.state, "result": getattr(ended, "result", None)}

    def cancel(self, task: str) -> None:
        self.app.cancel_task(task)

    def emit(self, event: str, payload: Any) -> None:
        self.app.emit_event(event, payload)

    def retry(self, task: str) -> None:
        self.app.retry_task(task)

    def close(self) -> None:
        self.release()
        if self._thread:
            self._thread.join(60)


class NodeSdk:
    """absurd-sdk for TypeScript, in the program of tests/compat/node."""

    name = "node"

    def __init__(self, db: Database, queue: str, program: NodeProgram) -> None:
        self._db, self.queue, self._program, self._worker = db, queue, program, False

    def _call(self, call: str, *args: Any) -> Any:
        return self._program.ask(queue=self.queue, call=call, args=args)

    def spawn(self, name: str, params: Any, **options: Any) -> str:
        return str(self._call("spawn", name, params, options)["taskID"])

    def work(self) -> None:
        self._call("workBatch", "foreign", LEASE, 1)

    def hold(self, task: str) -> None:
        self._worker = True
        self._call("startWorker", {"claimTimeout": LEASE, "workerId": "foreign"})
        beaten = "select claim_expires_at > claimed_at + interval '100 s' from absurd.task where task_id = %s and state = 'running'"
        until(lambda: self._db.rows(beaten, task) == [(True,)], "a heartbeat")

    def release(self) -> None:
        self._call("release")

    def join(self) -> None:
        self._worker = False
        self._call("closeWorker")  # it waits for the handler

    def claim(self) -> int:
        return len(self._call("claimTasks", {"batchSize": 1, "claimTimeout": LEASE, "workerId": "foreign"}))

    def result(self, task: str) -> dict[str, Any]:
        ended = self._call("awaitTaskResult", task, {"timeout": 60})
        return {"state": ended["state"], "result": ended.get("result")}

    def cancel(self, task: str) -> None:
        self._call("cancelTask", task)

    def emit(self, event: str, payload: Any) -> None:
        self._call("emitEvent", event, payload)

    def retry(self, task: str) -> None:
        self._call("retryTask", task)

    def close(self) -> None:
        if self._worker:
            self.release()
            self.join()


class Ours:
    """Tollway's worker and client."""

    name = "tollway"

    def __init__(self, db: Database, queue: str) -> None:
        self.queue = queue
        self.client = Client(db.connect())
        self.app = Tollway(db.dsn, queue=queue)
        fallen: set[str] = set()

        async def shared(ctx: Any, params: dict[str, Any]) -> list[str]:
            first = await ctx.step("first", lambda: "tollway")
            if params.get("fall") == "tollway" and str(ctx.task_id) not in fallen:
                fallen.add(str(ctx.task_id))
                raise RuntimeError("the first half is done")
            return [first, await ctx.step("second", lambda: "tollway")]

        async def sleeps(ctx: Any, params: dict[str, Any]) -> str:
            await ctx.sleep(params["seconds"], name="nap")
            return "awake"

        async def waits(ctx: Any, params: dict[str, Any]) -> dict[str, Any]:
            try:
                return {"payload": await ctx.wait_for_event(params["event"], timeout=params.get("options", {}).get("timeout"))}
            except AwaitTimedOut:
                return {"timedOut": True}

        async def holds(ctx: Any, params: dict[str, Any]) -> str:
            return "released"

        handlers: dict[str, Callable[..., Any]] = {"shared": shared, "sleeps": sleeps, "waits": waits, "holds": holds}
        for name, handler in handlers.items():
            self.app.workflow(name=name)(handler)

    def work(self) -> None:
        options = WorkerOptions(queue=self.queue, once=True, concurrency=2)
        asyncio.run(asyncio.wait_for(Worker(self.app.registry, self.app.dsn, options).run(), 60))

    def spawn(self, name: str, params: Any, idempotencyKey: str) -> str:  # noqa: N803  the word of the other side
        return str(self.client.spawn_task(self.queue, name, params, {"idempotency_key": idempotencyKey}).task_id)

    def claim(self) -> int:
        return len(self.client.claim_tasks(self.queue, "tollway", lease=LEASE, qty=1))

    def cancel(self, task: str) -> None:
        self.client.cancel_task(self.queue, task)

    def emit(self, event: str, payload: Any) -> None:
        self.client.emit_event(self.queue, event, payload)

    def retry(self, task: str) -> None:
        self.client.retry_task(self.queue, task)
