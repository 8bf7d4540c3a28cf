"""One embedded server for all processes that name the same data directory.

Who uses the server holds a shared lock on a file beside the data, which the kernel releases even after SIGKILL. The
last one to leave finds that it can lock it exclusively, and stops the server. Nothing has to be counted or cleaned up.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from tollway.embedded.binaries import Binaries
from tollway.errors import EmbeddedUnavailable

log = logging.getLogger("tollway")

_SOCKET_PATH_LIMIT = 100  # of 107 bytes, less ".s.PGSQL.NNNNN" added by PostgreSQL and counted below
_SOCKET_NAME = "/.s.PGSQL.5432"
_DYING_WITHIN = 10.0
# above the largest process id that Linux gives
_NO_PROCESS = 4_194_305
_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)  # length and code; any server answers it with one byte
_ANSWER_WITHIN = 10.0  # seconds


def default_data_dir(version: int = 18) -> Path:
    """Where the embedded server keeps its data: $TOLLWAY_HOME, else ~/.local/share/tollway."""
    home = os.environ.get("TOLLWAY_HOME")
    base = Path(home) if home else Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "tollway"
    return base / f"postgres-{version}"


class EmbeddedPostgres:
    """A PostgreSQL server over a unix socket, and on 127.0.0.1 if a port is given.

    `start` creates the data directory if need be, joins a server that runs on it, and recovers from one that was
    killed. `stop` stops it unless another process uses it. `settings` are server settings for the start.
    """

    def __init__(self, data_dir: Path, version: int = 18, *, port: int | None = None, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = Path(data_dir).absolute()
        self.version = version
        self.port = port
        self.settings = dict(settings or {})
        self._binaries = Binaries.find(version)
        self._use: int | None = None
        self._process = 0

    @property
    def dsn(self) -> str:
        """The connection string of database postgres; it does not change over restarts."""
        port = f"&port={self.port}" if self.port else ""
        return f"postgresql://postgres@/postgres?host={self.socket_dir}{port}"

    @property
    def tcp_dsn(self) -> str:
        """The connection string over 127.0.0.1, with its password.

        Raises:
            EmbeddedUnavailable: the server was made without a port.
        """
        if self.port is None:
            raise EmbeddedUnavailable("this server does not listen on the network", hint="Give EmbeddedPostgres a port.")
        return f"postgresql://postgres:{self._password_file().read_text().strip()}@127.0.0.1:{self.port}/postgres"

    @property
    def socket_dir(self) -> Path:
        """The data directory's own run folder, or one in the temporary folder where that path is too long."""
        beside = self._beside("run")
        if len(os.fsencode(str(beside) + _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT:
            return beside
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"tollway-{digest}"

    @property
    def postmaster_pid(self) -> int | None:
        """The server's process id, or None when it does not run."""
        try:
            pid = int((self.data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self.data_dir) in command else None

    def start(self) -> EmbeddedPostgres:
        """Make sure that the server runs, and register as one of its users.

        Raises:
            EmbeddedUnavailable: it did not start; the message has the end of its log.
        """
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if not (self.data_dir / "PG_VERSION").exists():
                self._create()
            if not self._answers():
                self._start_server()
            if self._use is None:
                self._use = os.open(self._beside("users"), os.O_RDWR | os.O_CREAT, 0o666)
                fcntl.flock(self._use, fcntl.LOCK_SH)
                self._process = os.getpid()
                atexit.register(self._leave)
        return self

    def stop(self) -> None:
        """Leave; the last user stops the server, with its data safe on disk.

        Raises:
            EmbeddedUnavailable: it was told to stop and still runs.
        """
        if self._use is None:
            return
        use, self._use = self._use, None
        atexit.unregister(self._leave)
        if self._process != os.getpid():  # a fork has its parent's lock: it would take it for the last one's
            os.close(use)
            return
        with self._locked(), contextlib.closing(os.fdopen(use, "r+b", buffering=0)):
            try:
                fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if self._answers():
                done = self._binaries.run("pg_ctl", "-D", str(self.data_dir), "-m", "fast", "-w", "-t", "60", "stop", timeout=90)
                if done.returncode != 0 and self._answers():  # it may have gone by itself just before
                    raise EmbeddedUnavailable(
                        f"PostgreSQL in {self.data_dir} did not stop: {done.stdout.strip()[-300:]}",
                        hint=f"It still runs as process {self.postmaster_pid}; its log is {self._beside('log')}.",
                    )
                with contextlib.suppress(OSError):
                    self.socket_dir.rmdir()

    def _leave(self) -> None:
        """At the process's end, when nobody is left to catch an error."""
        try:
            self.stop()
        except EmbeddedUnavailable as error:
            log.warning("%s (%s)", error, error.hint)

    def kill(self) -> None:
        """Kill the server as a power cut would; `start` recovers. For demonstrations and tests."""
        pid = self.postmaster_pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> EmbeddedPostgres:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _answers(self) -> bool:
        """Whether a server serves our socket. Its process id does not tell: one that was killed is in /proc a while longer.

        A server that is full or still recovering answers too, which a connection would take for its absence.
        """
        port = self.port or 5432
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_ANSWER_WITHIN)
            try:
                probe.connect(str(self.socket_dir / f".s.PGSQL.{port}"))
                probe.sendall(_SSL_REQUEST)
                return probe.recv(1) != b""
            except OSError:
                return False

    def _wait_for_the_dying(self) -> None:
        """A server process that is there and does not answer is on its way out, or stopped: never start beside it."""
        ends = time.monotonic() + _DYING_WITHIN
        while self.postmaster_pid is not None:
            if time.monotonic() > ends:
                raise EmbeddedUnavailable(
                    f"a PostgreSQL process, {self.postmaster_pid}, holds {self.data_dir} and does not answer",
                    hint="End that process, then try again.",
                )
            time.sleep(0.05)

    def _disown_pid_file(self) -> None:
        """The number in a killed server's pid file may be a zombie's or another process's by now, which stops PostgreSQL.

        The rest of the file stays: by it PostgreSQL finds backends of the dead server that still run.
        """
        file = self.data_dir / "postmaster.pid"
        if file.exists():
            _, rest = file.read_text().split("\n", 1)
            file.write_text(f"{_NO_PROCESS}\n{rest}")

    def _beside(self, suffix: str) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.{suffix}")

    def _password_file(self) -> Path:
        """The superuser's password, for connections over the network; over the socket, its folder's rights decide."""
        file = self._beside("password")
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24) + "\n")
            self._binaries.own(file)
        return file

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._beside("lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _create(self) -> None:
        """Initialise beside the final place, so that an interrupted initdb leaves nothing half-made there."""
        fresh = Path(tempfile.mkdtemp(prefix=f"{self.data_dir.name}.new-", dir=self.data_dir.parent))
        self._binaries.own(fresh)
        done = self._binaries.run(
            "initdb",
            *("-D", str(fresh), "-U", "postgres", "--encoding=UTF8", "--locale=C.UTF-8"),
            *("--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={self._password_file()}"),
            timeout=120,
        )
        if done.returncode != 0:
            raise EmbeddedUnavailable(f"initdb failed: {done.stdout.strip()[-500:]}", hint="Is the disk full or the folder read-only?")
        fresh.rename(self.data_dir)

    def _start_server(self) -> None:
        self._wait_for_the_dying()
        self._disown_pid_file()
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        for left in self.socket_dir.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)
        self._binaries.own(self.socket_dir)
        file = self._beside("log")
        file.touch()
        self._binaries.own(file)
        listen = "127.0.0.1" if self.port else ""
        options = [f"-c listen_addresses='{listen}'", f"-c unix_socket_directories='{self.socket_dir}'"]
        options += [f"-c {name}='{value}'" for name, value in self.settings.items()]
        if self.port:
            options.append(f"-c port={self.port}")
        for _ in range(50):
            done = self._binaries.run(
                "pg_ctl", "-D", str(self.data_dir), "-l", str(file), "-w", "-t", "60", "-o", " ".join(options), "start", timeout=90
            )
            if done.returncode == 0:
                return
            tail = file.read_text(errors="replace")[-800:]
            # the orphaned backends of a killed server go within moments
            if "pre-existing shared memory" not in tail:
                break
            time.sleep(0.1)
        raise EmbeddedUnavailable(f"PostgreSQL did not start: {tail.strip()}", hint=f"The whole log is {file}.")
