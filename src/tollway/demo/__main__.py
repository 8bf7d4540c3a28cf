"""`python -m tollway.demo`: see a worker die, nothing get lost, and every change on record."""

from __future__ import annotations

import argparse
import os
import signal
import sys

import psycopg
from rich.console import Console
from rich.markup import escape

from tollway.demo.disaster import DemoFailed
from tollway.demo.processes import House
from tollway.demo.run import KILLS, Demo
from tollway.errors import TollwayError

PIPED_WIDTH = 110
INTERRUPTED, TERMINATED = 130, 143


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tollway.demo", description=__doc__)
    parser.add_argument("--kill", choices=KILLS, default="worker", help="what gets SIGKILL in the middle; default worker")
    parser.add_argument("--packages", type=_at_least_one, metavar="N", help="only the N packages of most files")
    parser.add_argument("--timeout", type=float, default=180.0, metavar="SECONDS", help="give up after; default 180")
    return parser.parse_args(arguments)


def main() -> int:
    """Exit codes: 0 all as promised, 1 something is off, 2 wrong usage, 130 interrupted, 143 terminated."""
    arguments = parse()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(TERMINATED))
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_WIDTH
    try:
        with House() as house:
            return _perform(console, house, arguments)
    except KeyboardInterrupt:
        console.print("interrupted: the workers and the server have been ended")
        return INTERRUPTED
    except TollwayError as error:
        console.print(f"[red]the demo cannot start:[/] {escape(str(error))}\n{escape(error.hint or '')}")
        return 1


def _perform(console: Console, house: House, arguments: argparse.Namespace) -> int:
    try:
        return Demo(console, house, kill=arguments.kill, packages=arguments.packages, timeout=arguments.timeout).run()
    except (DemoFailed, TimeoutError, TollwayError, psycopg.Error) as error:
        console.print(f"[red]the demo failed:[/] {escape(str(error))}")
        for worker in house.workers:
            console.print(f"{worker.name} said last:\n{worker.last_words()}", style="dim", markup=False)
        return 1


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
