"""The programs of both SDKs' READMEs, as published in the packages, against `tollway dev`: only the address is ours."""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fixtures.waiting import until

ORDER = {"amount": 9999, "items": ["widget-1", "gadget-2"], "email": "customer@example.com"}


def blocks(readme: str, language: str) -> list[str]:
    """The programs of a README, in its order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)


@pytest.fixture
def database(dev: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dev, autocommit=True) as connection:
        yield connection


def moves(database: psycopg.Connection[Any], task_id: str) -> list[str]:
    query = "select event from absurd.absurd_event_log where task_id = %s order by log_id"
    return [event for (event,) in database.execute(query, (task_id,)).fetchall()]


def assert_true_records(database: psycopg.Connection[Any], task_id: str) -> None:
    """The log, workflow_run and the whole database say what happened."""
    told = [event for event in moves(database, task_id) if event != "run.released"]
    assert (told[0], told[-1]) == ("task.spawned", "run.completed")
    run = database.execute("select status, result is not null from absurd.workflow_run where workflow_run_id = %s", (task_id,)).fetchone()
    assert run == ("completed", True)
    assert database.execute("select * from absurd.verify()").fetchall() == []


@pytest.fixture
def python_blocks(python_sdk: Any) -> list[str]:
    return blocks(str(importlib.metadata.metadata("absurd-sdk").get_payload()), "python")


@pytest.mark.parametrize(("number", "client"), [(0, "Absurd"), (1, "AsyncAbsurd")])
def test_the_python_order(
    dev: str, database: psycopg.Connection[Any], python_sdk: Any, python_blocks: list[str], run_python: Any, number: int, client: str
) -> None:
    source = python_blocks[number]
    assert f"{client}(" in source
    run_python(source.replace("postgresql://localhost/absurd", dev))
    app = python_sdk.Absurd(dev)
    order = f"python-{number}"
    task_id = app.spawn("order-fulfillment", ORDER | {"order_id": order}, queue="default")["task_id"]
    waits = "select 1 from absurd.wait where task_id = %s"
    until(lambda: database.execute(waits, (task_id,)).fetchone(), "the order waits for its shipment")
    app.emit_event(f"shipment.packed:{order}", {"tracking_number": "TRACK123"})

    names: dict[str, Any] = {"app": app, "task_id": task_id}
    exec(python_blocks[4], names)

    assert names["final"].result == {
        "order_id": order,
        "payment": {"payment_id": f"pay-{order}", "amount": 9999},
        "inventory": {"reserved_items": ORDER["items"]},
        "tracking_number": "TRACK123",
        "notification": {"sent_to": ORDER["email"], "tracking_number": "TRACK123"},
    }
    assert_true_records(database, task_id)


def test_the_python_steps(dev: str, database: psycopg.Connection[Any], python_sdk: Any, python_blocks: list[str], run_python: Any) -> None:
    """The snippets on @step and on decomposed steps, in one program."""
    begin = f"from absurd_sdk import Absurd\napp = Absurd({dev!r})\n"
    run_python("\n".join([begin, python_blocks[2], python_blocks[3], "app.start_worker()"]))
    app = python_sdk.Absurd(dev)
    stepped = app.spawn("my-task", {}, queue="default")["task_id"]
    turned = app.spawn("agent-turn", {"turn": 3}, queue="default")["task_id"]

    assert app.await_task_result(stepped, timeout=30).result == {"value": 84}
    assert app.await_task_result(turned, timeout=30).result == {"persisted": {"turn": 3}}
    assert_true_records(database, stepped)
    assert_true_records(database, turned)


def test_the_typescript_order(dev: str, database: psycopg.Connection[Any], node_sdk: Path, run_node: Any) -> None:
    """Quick start, spawning, emitting and result snapshots, one behind the other; the snippet on results needs the id by a name."""
    found = blocks((node_sdk / "node_modules/absurd-sdk/README.md").read_text(), "typescript")
    start, spawn, results, emit = (
        next(b for b in found if mark in b) for mark in ("startWorker", "app.spawn(", "fetchTaskResult", "app.emit")
    )
    named = spawn.replace("await app.spawn(", "const { taskID } = await app.spawn(", 1)
    said = 'console.log("FINAL " + JSON.stringify({ taskID, snapshot, final }));'
    program = run_node("\n".join([start.replace("postgresql://localhost/mydb", dev), named, emit, results, said]))
    line = until(lambda: next((x for x in program.text.splitlines() if x.startswith("FINAL ")), None) or program.process.poll(), "the end")
    assert isinstance(line, str), program.text
    told = json.loads(line.removeprefix("FINAL "))

    assert told["final"] == {
        "state": "completed",
        "result": {
            "orderId": "42", "payment": {"paymentId": "pay-42", "amount": 9999}, "trackingNumber": "TRACK123",
            "inventory": {"reservedItems": ["widget-1", "gadget-2"]},
        },
    }  # fmt: skip
    assert_true_records(database, told["taskID"])
