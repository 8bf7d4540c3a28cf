"""`via` is told in English whatever language the server speaks: its frames come in that language, with its quotes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tollway.schema import install

LANGUAGES = ["de", "fr", "es", "pl", "ru", "ja"]
SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").exists() else []


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory of the distribution's own server, which has the translations that the bundled one lacks."""
    if not SERVERS:
        pytest.skip("no server of the distribution with translated messages")
    root = Path(subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip())
    if os.getuid() == 0:
        subprocess.run(["chown", "nobody", root], check=True)
    run(["initdb", "-D", root / "data", "-U", "postgres", "--locale=C.UTF-8", "-A", "trust"])
    yield root
    subprocess.run(["rm", "-rf", root], check=True)


def run(command: list[str | Path], language: str = "en") -> None:
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    environment = ["env", f"LANGUAGE={language}", "LC_ALL=C.UTF-8"]
    program, *arguments = command
    subprocess.run([*as_nobody, *environment, SERVERS[-1] / program, *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/")


@pytest.fixture
def connection(cluster: Path, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[tuple[str, ...]]]:
    """A database of a server that speaks the language the test names."""
    options = f"-c listen_addresses='' -k {cluster} -c fsync=off"
    run(["pg_ctl", "-D", cluster / "data", "-w", "-o", options, "-l", cluster / "log", "start"], request.param)
    try:
        with psycopg.connect(host=str(cluster), user="postgres", dbname="postgres", autocommit=True) as admin:
            admin.execute(f"create database speaks_{request.param}")
        dsn = f"host={cluster} user=postgres dbname=speaks_{request.param}"
        install(dsn, test_clock=True)
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection
    finally:
        run(["pg_ctl", "-D", cluster / "data", "-m", "immediate", "-w", "stop"])


@pytest.mark.parametrize("connection", LANGUAGES, indirect=True)
def test_the_path_is_the_same_in_every_language(connection: psycopg.Connection[tuple[str, ...]]) -> None:
    run_sql = connection.execute
    with pytest.raises(psycopg.Error) as complaint:
        run_sql("no such statement")
    if "syntax error" in str(complaint.value):
        pytest.skip("this server has no messages in the language")
    wrapper = "create function public.{}(p_task uuid) returns void language plpgsql as $$ begin perform {}; end $$"
    run_sql(wrapper.format("approve", "absurd.cancel_task('q', p_task)").encode())
    run_sql(wrapper.format("outer_one", "public.approve(p_task)").encode())
    run_sql("select absurd.create_queue('q')")

    run_sql("select public.outer_one(task_id) from absurd.spawn_task('q', 'w', '1')")
    run_sql("select * from absurd.spawn_task('q', 'w', '1', '{\"max_attempts\": 1}')")
    run_sql("select * from absurd.claim_tasks('q', 'w')")
    run_sql("update absurd.test_clock set now = now() + interval '1 hour'")
    run_sql('select absurd.worker_sync(\'{"queue": "q", "worker": "w", "ops": [], "claim": {"qty": 1, "lease": 3}}\')')

    assert run_sql("select event, via from absurd.absurd_event_log order by log_id").fetchall() == [
        ("task.spawned", "spawn_task"),
        ("task.cancelled", "public.outer_one > public.approve > cancel_task"),
        ("task.spawned", "spawn_task"),
        ("run.claimed", "claim_tasks > claim_task"),
        ("run.failed", "worker_sync > claim_task > fail_run"),
    ]
