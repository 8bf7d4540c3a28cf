"""How many no-op tasks and steps a second one worker process does, everything durable and recorded."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from workloads import app

from tollway import Client
from tollway.embedded import EmbeddedPostgres
from tollway.schema import install
from tollway.worker import Worker, WorkerOptions

RESULTS = Path(__file__).parent / "results" / "quick.json"
ROUNDS = 3
CONCURRENCY = 200


def spawn(client: Client, name: str, count: int) -> float:
    """Queue `count` tasks in bulk; tasks a second."""
    began = time.perf_counter()
    for first in range(0, count, 1000):
        size = min(1000, count - first)
        client.spawn_tasks("bench", [{"task_name": name, "params": {"args": [], "kwargs": {}}, "options": {"max_attempts": 5}}] * size)
    return count / (time.perf_counter() - began)


def drain(dsn: str) -> float:
    """Run one worker until the queue has nothing due; the seconds that took."""
    worker = Worker(app.registry, dsn, WorkerOptions(queue="bench", concurrency=CONCURRENCY, once=True))
    began = time.perf_counter()
    asyncio.run(worker.run())
    return time.perf_counter() - began


def measure(server: EmbeddedPostgres, round_: int) -> dict[str, float]:
    """One round in a fresh database, its counts checked."""
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"create database bench_{round_}".encode())
    dsn = server.dsn.replace("/postgres?", f"/bench_{round_}?")
    install(dsn)
    noops, workflows = 20_000, 1_000
    with psycopg.connect(dsn, autocommit=True) as connection:
        client = Client(connection)
        client.create_queue("bench")
        spawned = spawn(client, "noop", noops)
        noop_seconds = drain(dsn)
        spawn(client, "ten_steps", workflows)
        step_seconds = drain(dsn)
        done = connection.execute("select count(*) from absurd.workflow_run where status = 'completed'").fetchone()
        steps = connection.execute("select count(*) from absurd.checkpoint").fetchone()
        logged = connection.execute("select count(*) from absurd.absurd_event_log where event = 'run.completed'").fetchone()
        assert done == (noops + workflows,), done
        assert steps == (workflows * 10,), steps
        assert logged == done, logged
        violations = client.verify()
        assert not violations, violations[:3]
    return {"spawn in bulk": spawned, "noop": noops / noop_seconds, "steps": workflows * 10 / step_seconds}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="tollway-bench-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "pg") as server:
            with psycopg.connect(server.dsn) as connection:
                version = connection.info.parameter_status("server_version")
            rounds = [measure(server, number) for number in range(ROUNDS)]
    results = []
    for workload in rounds[0]:
        values = [r[workload] for r in rounds]
        results.append(
            {
                "workload": workload,
                "variant": f"one worker, concurrency {CONCURRENCY}",
                "system": "tollway",
                "unit": "per second",
                "median": round(statistics.median(values)),
                "min": round(min(values)),
                "max": round(max(values)),
                "n": len(values),
            }
        )
        print("{workload:<14} {median:>8} / s   [{min} .. {max}]".format(**results[-1]))
    machine = {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}
    RESULTS.parent.mkdir(exist_ok=True)
    document = {"machine": machine, "versions": {"postgresql": version}, "results": results}
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
