"""The table of roles on the deployment page: a login with one role can do what the page says, and no more."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from docs.pages import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_as(tollway_db: Any) -> Iterator[Run]:
    """`run_as("client", "start", ...)`: the command line, as a login that has only been granted `tollway_client`."""
    made: dict[str, str] = {}
    tollway_db.conn.execute("select absurd.create_queue('inventory')")

    def run(role: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        if role not in made:
            made[role] = f"login_{uuid.uuid4().hex[:12]}"
            tollway_db.conn.execute(f"create role {made[role]} login")
            tollway_db.conn.execute(f"grant tollway_{role} to {made[role]}")
        dsn = tollway_db.dsn.replace("//postgres@", f"//{made[role]}@")
        assert made[role] in dsn
        env = {**os.environ, "TOLLWAY_DATABASE_URL": dsn, "NO_COLOR": "1"}
        command = [sys.executable, "-m", "tollway", *arguments]
        return subprocess.run(command, cwd=ROOT / "examples" / "fan_out", env=env, capture_output=True, text=True, timeout=60, check=False)

    yield run
    for login in made.values():
        tollway_db.conn.execute(f"drop role {login}")


def test_a_client_starts_a_worker_runs_and_a_reader_looks(run_as: Run, tollway_db: Any) -> None:
    shop = '{"name": "north", "shelves": ["tea"]}'
    started = run_as("client", "start", "count_shop", shop, "--app", "inventory")
    assert started.returncode == 0, started.stderr
    worked = run_as("worker", "worker", "inventory:app", "--once")
    assert worked.returncode == 0, worked.stderr

    assert tollway_db.one("select result from absurd.task") == 3
    waited = run_as("client", "start", "count_shop", shop, "--app", "inventory", "--key", "again", "--wait", "--timeout", "0")
    assert (waited.returncode, "has not ended yet: it is pending" in waited.stderr) == (1, True), waited.stderr
    assert run_as("worker", "worker", "inventory:app", "--once").returncode == 0
    asked = run_as("client", "start", "count_shop", shop, "--app", "inventory", "--key", "again", "--wait")
    assert (asked.returncode, asked.stdout.strip()) == (0, "3"), asked.stderr
    shown = run_as("reader", "task", "show", started.stdout.strip())
    assert shown.returncode == 0, shown.stderr
    assert "completed" in shown.stdout


def test_a_reader_starts_nothing_and_a_client_reads_no_table(run_as: Run, tollway_db: Any) -> None:
    assert run_as("reader", "start", "count_shop", "{}", "--queue", "inventory").returncode == 1
    assert run_as("client", "task", "list").returncode == 1

    assert tollway_db.one("select count(*) from absurd.task") == 0
