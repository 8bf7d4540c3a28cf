"""`tollway start WORKFLOW [JSON]`: start a workflow by name, and perhaps wait for its result."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import orjson

from tollway.cli.output import OK, UsageError, add_common, connect, dsn_of, emit, say
from tollway.client import AbsurdClient
from tollway.protocol.codec import settle
from tollway.workflow import SyncHandle, Tollway
from tollway.workflow.app import MAX_ATTEMPTS, RETRY
from tollway.workflow.names import check_name

DESCRIPTION = """\
Start a workflow by its name and print its task id, or, with --wait, its result.
Exit codes: 0 started (with --wait: completed), 1 failed or cancelled or not ended in time, 2 wrong usage,
3 the database could not be reached."""


def register(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = nouns.add_parser(
        "start",
        help="start a workflow",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workflow", metavar="WORKFLOW", help="its registered name")
    parser.add_argument("params", metavar="JSON", nargs="?", default="{}", help="its arguments; - reads stdin")
    parser.add_argument("--queue", default="default")
    parser.add_argument("--key", help="idempotency key: the same key gives the same task")
    parser.add_argument("--delay", type=float, metavar="SECONDS")
    parser.add_argument("--priority", type=int, help="lower runs first; default 0")
    parser.add_argument("--max-attempts", type=int, default=MAX_ATTEMPTS, help=f"default {MAX_ATTEMPTS}")
    parser.add_argument("--wait", action="store_true", help="wait for the result and print it")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for --wait")
    add_common(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    check_name("workflow", arguments.workflow)
    dsn = dsn_of(arguments)
    params = _params(arguments.params)
    options: dict[str, Any] = {
        "idempotency_key": arguments.key,
        "delay_seconds": arguments.delay,
        "priority": arguments.priority,
        "max_attempts": arguments.max_attempts,
        "retry_strategy": RETRY,
    }
    options = {name: value for name, value in options.items() if value is not None}
    with connect(dsn) as connection:
        task = AbsurdClient(connection).spawn_task(arguments.queue, arguments.workflow, params, options)
    if not arguments.wait:
        if arguments.json:
            emit({"task_id": str(task.task_id), "run_id": str(task.run_id), "created": task.created})
        else:
            say(str(task.task_id))
        return OK
    result = SyncHandle(Tollway(dsn), arguments.queue, task.task_id).result(arguments.timeout)
    if arguments.json:
        emit({"task_id": str(task.task_id), "state": "completed", "result": result})
    else:
        say(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())
    return OK


def _params(text: str) -> Any:
    raw = sys.stdin.read() if text == "-" else text
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"the arguments are not JSON: {error}", "quote them for the shell: '{\"order\": 7}'.") from error
    return settle(parsed, "the arguments")[1]
