"""Who makes a call: each actor has its own way to the same function, and its own name in the log."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import psycopg

from fixtures.node import NodeProgram
from matrix.words import Columns
from tollway.client import AsyncClient, Client

SDK = "absurd-sdk==0.5.1"
UTC = "-c timezone=UTC"  # moments in JSON are written in the session's time zone
DOCUMENTS = {"params", "options", "state", "states", "reason", "payload", "tasks", "claims", "request", "policy"}


class Refused(Exception):
    """The call was refused with this SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class Acting(Protocol):
    """One actor on a connection of its own: it makes a call in a transaction and says the transaction's id."""

    name: str

    def offers(self, function: str) -> bool: ...
    def via(self, function: str) -> str: ...
    def act(self, function: str, args: Columns, *, commit: bool = True) -> str: ...
    def close(self) -> None: ...


def as_text(name: str, value: Any) -> Any:
    """A failure's reason is a document, a cancellation's is text."""
    plain = name not in DOCUMENTS or value is None or (name == "reason" and isinstance(value, str))
    if plain and isinstance(value, list):
        return "{" + ",".join(map(str, value)) + "}"  # an array, of whatever the parameter's type is
    return value if plain else json.dumps(value, default=str)


def sqlstate_of(error: BaseException | None) -> str:
    while error is not None:
        if state := getattr(error, "sqlstate", None):
            return str(state)
        error = error.__cause__
    raise AssertionError("an error without an SQLSTATE")


class OverOneConnection:
    """What the actors with a synchronous connection share."""

    name = ""
    role = ""  # whom it logs in as, where that is not who makes the scene
    application: str | None = ""  # what its session calls itself, where that is not ours to say

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, application_name=f"matrix: {self.name}", options=UTC)

    def via(self, function: str) -> str:
        return function

    def offers(self, function: str) -> bool:
        return True

    def act(self, function: str, args: Columns, *, commit: bool = True) -> str:
        xid = self._connection.execute("select pg_current_xact_id()").fetchone()
        try:
            self.call(function, args)
        except Exception as error:
            self._connection.rollback()
            raise Refused(sqlstate_of(error)) from error
        (self._connection.commit if commit else self._connection.rollback)()
        return str(xid[0]) if xid else ""

    def call(self, function: str, args: Columns) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._connection.close()


class RawSql(OverOneConnection):
    """Somebody at a prompt, or a driver of another language."""

    name = "raw SQL"

    def call(self, function: str, args: Columns) -> None:
        named = ", ".join(f"p_{name} => %s" for name in args)
        self._connection.execute(f"select * from absurd.{function}({named})", [as_text(k, v) for k, v in args.items()])


class ReplicaSql(RawSql):
    """A session in which ordinary triggers are silent."""

    name = "raw SQL, session_replication_role = replica"

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self._connection.execute("set session_replication_role = replica")
        self._connection.commit()


class Login(RawSql):
    """A login that has what a member of these roles has, and no more: what it moves, the functions move for it."""

    name = "a login of its own"

    def __init__(self, dsn: str, user: str) -> None:
        self._connection = psycopg.connect(dsn, user=user, application_name=f"matrix: {self.name}", options=UTC)
        self.role = user


class Wrapper(OverOneConnection):
    """A PL/pgSQL function of the user's own that calls ours."""

    name = "own function"

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self._made: set[tuple[str, ...]] = set()

    def via(self, function: str) -> str:
        return f"public.by_{function} > {function}"

    def act(self, function: str, args: Columns, *, commit: bool = True) -> str:
        if (function, *args) not in self._made:
            self._made.add((function, *args))
            self._make(function, args)
        return super().act(function, args, commit=commit)

    def _make(self, function: str, args: Columns) -> None:
        names = [f"p_{name}" for name in args]
        types = self._connection.execute(
            """select array(select format_type(p.proargtypes[i - 1], null) from unnest(%s::text[]) with ordinality w(name, n)
                            join lateral generate_subscripts(p.proargtypes, 1, false) g on true
                            join lateral (select g + 1 as i) x on p.proargnames[i] = w.name order by w.n)
               from pg_proc p where p.pronamespace = 'absurd'::regnamespace and p.proname = %s and p.proargnames @> %s::text[]
               order by p.pronargs limit 1""",
            (names, function, names),
        ).fetchone()
        declared = ", ".join(f"{name} {kind}" for name, kind in zip(names, types[0] if types else [], strict=True))
        passed = ", ".join(f"{name} => {name}" for name in names)
        self._connection.execute(
            f"create or replace function public.by_{function}({declared}) returns void language plpgsql as "
            f"$$ begin perform * from absurd.{function}({passed}); end $$"
        )
        self._connection.commit()

    def call(self, function: str, args: Columns) -> None:
        named = ", ".join(f"p_{name} => %s" for name in args)
        self._connection.execute(f"select public.by_{function}({named})", [as_text(k, v) for k, v in args.items()])


class CronJob(OverOneConnection):
    """The command of the job that enable_cron stored for a queue, as pg_cron's worker sends it."""

    name = "pg_cron's command"
    JOBS = {
        "cleanup_all_queues": "absurd\\_cleanup\\_%", "ensure_partitions": "absurd\\_partitions\\_%",
        "schedule_detach_jobs": "absurd\\_detach\\_plan\\_%",
    }  # fmt: skip

    def offers(self, function: str) -> bool:
        return function in self.JOBS

    def call(self, function: str, args: Columns) -> None:
        stored = "select command from cron.job where jobname like %s and command like %s"
        command = self._connection.execute(stored, (self.JOBS[function], f"%'{args['queue_name']}'%")).fetchone()
        assert command, f"enable_cron stored no job for {args['queue_name']}"
        self._connection.execute(command[0])


Method = Callable[[Any, Columns], Any]


def _a(args: Columns, name: str, default: Any = None) -> Any:
    return args.get(name, default)


def _claims(args: Columns) -> list[tuple[uuid.UUID, int]]:
    return [(uuid.UUID(claim["task_id"]), claim["epoch"]) for claim in args["claims"]]


# our clients' methods, by the function they call; the async client has the same ones
METHODS: dict[str, Method] = {
    "create_queue": lambda c, a: c.create_queue(a["queue_name"], _a(a, "storage_mode", "unpartitioned")),
    "drop_queue": lambda c, a: c.drop_queue(a["queue_name"]),
    "list_queues": lambda c, a: c.list_queues(),
    "get_queue_policy": lambda c, a: c.get_queue_policy(a["queue_name"]),
    "set_queue_policy": lambda c, a: c.set_queue_policy(a["queue_name"], a["policy"]),
    "spawn_task": lambda c, a: c.spawn_task(a["queue_name"], a["task_name"], a["params"], _a(a, "options")),
    "spawn_tasks": lambda c, a: c.spawn_tasks(a["queue_name"], a["tasks"]),
    "get_task_result": lambda c, a: c.get_task_result(a["queue_name"], a["task_id"]),
    "cancel_task": lambda c, a: c.cancel_task(a["queue_name"], a["task_id"], _a(a, "reason")),
    "retry_task": lambda c, a: c.retry_task(a["queue_name"], a["task_id"], **_a(a, "options", {})),
    "claim_tasks": lambda c, a: c.claim_tasks(a["queue_name"], a["worker_id"], lease=a["claim_timeout"], qty=a["qty"]),
    "complete_run": lambda c, a: c.complete_run(a["queue_name"], a["run_id"], a["state"], epoch=_a(a, "claim_epoch")),
    "fail_run": lambda c, a: c.fail_run(
        a["queue_name"], a["run_id"], a["reason"], retry_at=_a(a, "retry_at"), epoch=_a(a, "claim_epoch"),
        retryable=_a(a, "retryable", True),
    ),
    "schedule_run": lambda c, a: c.schedule_run(a["queue_name"], a["run_id"], a["wake_at"], epoch=_a(a, "claim_epoch")),
    "extend_claim": lambda c, a: c.extend_claim(a["queue_name"], a["run_id"], a["extend_by"], epoch=_a(a, "claim_epoch")),
    "heartbeat": lambda c, a: c.heartbeat(a["queue_name"], _claims(a), a["extend_by"]),
    "release_claims": lambda c, a: c.release_claims(a["queue_name"], _claims(a)),
    "set_task_checkpoint_state": lambda c, a: c.set_task_checkpoint_state(
        a["queue_name"], a["task_id"], a["step_name"], a["state"], a["owner_run"], extend_claim_by=_a(a, "extend_claim_by"),
        epoch=_a(a, "claim_epoch"),
    ),
    "get_task_checkpoint_state": lambda c, a: c.get_task_checkpoint_state(a["queue_name"], a["task_id"], a["step_name"]),
    "get_task_checkpoint_states": lambda c, a: c.get_task_checkpoint_states(a["queue_name"], a["task_id"], a["run_id"]),
    "await_event": lambda c, a: c.await_event(
        a["queue_name"], a["task_id"], a["run_id"], a["step_name"], a["event_name"], timeout=_a(a, "timeout"), epoch=_a(a, "claim_epoch")
    ),
    "emit_event": lambda c, a: c.emit_event(a["queue_name"], a["event_name"], a["payload"]),
    "cleanup_tasks": lambda c, a: c.cleanup_tasks(a["queue_name"], a["ttl_seconds"]),
    "cleanup_events": lambda c, a: c.cleanup_events(a["queue_name"], a["ttl_seconds"]),
    "cleanup_workflow_runs": lambda c, a: c.cleanup_workflow_runs(a["queue_name"], a["ttl_seconds"]),
    "cleanup_all_queues": lambda c, a: c.cleanup_all_queues(a["queue_name"]),
    "drop_log_before": lambda c, a: c.drop_log_before(a["before"]),
    "set_on_move": lambda c, a: c.set_on_move(a["queue_name"], a["task_name"], a["to_state"], a["handler_task"]),
    "remove_on_move": lambda c, a: c.remove_on_move(a["queue_name"], a["task_name"], a["to_state"], a["handler_task"]),
    "list_on_move": lambda c, a: c.list_on_move(a["queue_name"]),
    "verify": lambda c, a: c.verify(),
    "repair": lambda c, a: c.repair(),
    "worker_sync": lambda c, a: c.worker_sync(json.dumps(a["request"], default=str)),
    "worker_idle": lambda c, a: c.worker_idle(a["queue_name"], a["instance"], a["seconds"]),
    "worker_busy": lambda c, a: c.worker_busy(a["queue_name"], a["instance"]),
}  # fmt: skip


class SyncClient(OverOneConnection):
    name = "Client"

    def offers(self, function: str) -> bool:
        return function in METHODS

    def call(self, function: str, args: Columns) -> None:
        METHODS[function](Client(self._connection), args)


class AsynchronousClient:
    name = "AsyncClient"

    def __init__(self, dsn: str) -> None:
        self._runner = asyncio.Runner()
        self._connection: psycopg.AsyncConnection[Any] = self._runner.run(
            psycopg.AsyncConnection.connect(dsn, application_name=f"matrix: {self.name}", options=UTC)
        )

    def offers(self, function: str) -> bool:
        return function in METHODS

    def via(self, function: str) -> str:
        return function

    def act(self, function: str, args: Columns, *, commit: bool = True) -> str:
        return self._runner.run(self._act(function, args, commit))

    async def _act(self, function: str, args: Columns, commit: bool) -> str:
        cursor = await self._connection.execute("select pg_current_xact_id()")
        xid = await cursor.fetchone()
        try:
            await METHODS[function](AsyncClient(self._connection), args)
        except Exception as error:
            await self._connection.rollback()
            raise Refused(sqlstate_of(error)) from error
        await (self._connection.commit if commit else self._connection.rollback)()
        return str(xid[0]) if xid else ""

    def close(self) -> None:
        self._runner.run(self._connection.close())
        self._runner.close()


def _context(sdk: Any, connection: Any, args: Columns) -> Any:
    """What the SDK gives a handler that runs this run."""
    run = args.get("run_id") or args["owner_run"]
    claimed = {"run_id": run, "task_id": run[:30] + "000000", "wake_event": None, "event_payload": None}
    return sdk._create_task_context(claimed["task_id"], connection, args["queue_name"], claimed, 30)


# absurd-sdk's own code for each function it calls; what its worker and its task context do is called as they do it
SDK_CALLS: dict[str, Callable[[Any, Any, Columns], Any]] = {
    "create_queue": lambda s, c, a: s.Absurd(c).create_queue(a["queue_name"]),
    "drop_queue": lambda s, c, a: s.Absurd(c).drop_queue(a["queue_name"]),
    "list_queues": lambda s, c, a: s.Absurd(c).list_queues(),
    "get_queue_policy": lambda s, c, a: s.Absurd(c).get_queue_policy(a["queue_name"]),
    "set_queue_policy": lambda s, c, a: s.Absurd(c).set_queue_policy(a["queue_name"], **a["policy"]),
    "spawn_task": lambda s, c, a: s.Absurd(c).spawn(a["task_name"], a["params"], queue=a["queue_name"], **_a(a, "options", {})),
    "get_task_result": lambda s, c, a: s.Absurd(c).fetch_task_result(a["task_id"], a["queue_name"]),
    "cancel_task": lambda s, c, a: s.Absurd(c).cancel_task(a["task_id"], a["queue_name"]),
    "retry_task": lambda s, c, a: s.Absurd(c).retry_task(a["task_id"], queue_name=a["queue_name"], **_a(a, "options", {})),
    "claim_task": lambda s, c, a: s.Absurd(c, a["queue_name"]).claim_tasks(a["qty"], a["claim_timeout"], a["worker_id"]),
    "complete_run": lambda s, c, a: s._complete_task_run(c, a["queue_name"], a["run_id"], a["state"]),
    "fail_run": lambda s, c, a: s._fail_task_run(c, a["queue_name"], a["run_id"], a["reason"]["message"]),
    "schedule_run": lambda s, c, a: _context(s, c, a)._schedule_run_after(50),
    "extend_claim": lambda s, c, a: _context(s, c, a).heartbeat(a["extend_by"]),
    "set_task_checkpoint_state": lambda s, c, a: _context(s, c, a).step(a["step_name"], lambda: a["state"]),
    "get_task_checkpoint_state": lambda s, c, a: _context(s, c, a | {"run_id": a["task_id"][:30] + "000001"}).begin_step(a["step_name"]),
    "get_task_checkpoint_states": _context,
    "await_event": lambda s, c, a: _suspended(s, _context(s, c, a), a),
    "emit_event": lambda s, c, a: s.Absurd(c).emit_event(a["event_name"], a["payload"], a["queue_name"]),
}


def _suspended(sdk: Any, context: Any, args: Columns) -> None:
    try:
        context.await_event(args["event_name"], args["step_name"], _a(args, "timeout"))
    except sdk.SuspendTask:
        return


class ForeignSdk(OverOneConnection):
    """absurd-sdk from the package index, unmodified; it sends no epoch and no option of ours."""

    name = "absurd-sdk"

    def __init__(self, dsn: str, sdk: Any) -> None:
        super().__init__(dsn)
        self._sdk = sdk

    def offers(self, function: str) -> bool:
        return function in SDK_CALLS

    def call(self, function: str, args: Columns) -> None:
        SDK_CALLS[function](self._sdk, self._connection, args)


class NodeSdk:
    """absurd-sdk for TypeScript, unmodified, in a process of its own (tests/compat/node/actor.mjs)."""

    name = "absurd-sdk for TypeScript"

    def __init__(self, dsn: str, folder: Path) -> None:
        self._program = NodeProgram(folder, "actor.mjs", dsn, f"matrix: {self.name}")
        self.calls = frozenset(self._program.ask())

    def offers(self, function: str) -> bool:
        return function in self.calls

    def via(self, function: str) -> str:
        return function

    def act(self, function: str, args: Columns, *, commit: bool = True) -> str:
        answer = self._program.ask(function=function, args=args, commit=commit)
        if "refused" in answer:
            raise Refused(answer["refused"])
        return str(answer["xid"])

    def close(self) -> None:
        assert self._program.end() == 0, self._program.log.read_text()


def foreign_sdk(cache: Path) -> Any:
    """The SDK's module: installed already, or installed once beside the test cache; an ImportError when it cannot be had."""
    if (found := importlib.util.find_spec("absurd_sdk")) is None:
        folder = cache / SDK
        if not folder.exists():
            cache.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(dir=cache))
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(made), SDK]
            done = subprocess.run(pip, capture_output=True, text=True, check=False)
            if done.returncode:
                shutil.rmtree(made)
                raise ImportError(f"{SDK}: {done.stderr.strip()[-300:]}")
            with suppress(OSError):  # another process of this run was first
                made.rename(folder)
        sys.path.append(str(folder))
        importlib.invalidate_caches()
        found = importlib.util.find_spec("absurd_sdk")
    if found is None:
        raise ImportError(SDK)
    return importlib.import_module("absurd_sdk")
