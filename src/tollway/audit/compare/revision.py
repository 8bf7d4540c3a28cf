"""A revision of the git repository, laid out in a folder of its own. The user's checkout and index are never touched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory

from tollway.audit.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Revision:
    """`here` is the folder that stands for the working directory; `top` the one that stands for the repository."""

    name: str
    commit: str
    top: Path
    here: Path


@contextmanager
def revision(name: str) -> Iterator[Revision]:
    """Lay out a revision of the repository of the working directory, in a temporary folder.

    Raises:
        ConfigError: git is missing, this is no repository, or it has no such revision.
    """
    root = _root()
    prefix = _git("rev-parse", "--show-prefix").rstrip("\n")
    commit = _commit(name)
    with TemporaryDirectory(prefix="tollway-audit-") as folder:
        top = Path(folder) / "tree"
        top.mkdir()
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git("read-tree", commit, env=index)
        _git("checkout-index", "--all", "--quiet", f"--prefix={top}/", env=index, folder=root)
        here = top / prefix
        here.mkdir(parents=True, exist_ok=True)
        yield Revision(name, commit, top, here)


def relative(given: str) -> str:
    """A path of the user, relative to the working directory, so that it means the same in both trees.

    Raises:
        ConfigError: it leads out of the repository.
    """
    root = _root()
    inside = os.path.relpath(os.path.abspath(given), Path.cwd())  # noqa: PTH100  a glob is no path
    whole = os.path.relpath(os.path.join(Path.cwd().resolve(), inside), Path(root).resolve())  # noqa: PTH118
    if Path(whole).parts[:1] == ("..",):
        raise ConfigError(f"{given} is not in the repository {root}", "diff compares what git knows")
    return inside


def _root() -> str:
    hint = "run it inside the repository that has the SQL"
    return _git("rev-parse", "--show-toplevel", failed="not in a git repository", hint=hint).rstrip("\n")


def _commit(name: str) -> str:
    found = _run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found.returncode == 0 and name:
        return found.stdout.strip()
    refs = _git("for-each-ref", "--format=%(refname:short)").split()
    near = get_close_matches(name, refs, 1)
    hint = (
        f"did you mean {near[0]}?" if near else "name a commit, a tag or a branch that `git rev-parse` knows; a shallow clone may lack it"
    )
    raise ConfigError(f"git knows no revision {name!r}", hint)


def _git(*arguments: str, env: dict[str, str] | None = None, folder: str | None = None, failed: str = "", hint: str = "") -> str:
    done = _run(*arguments, env=env, folder=folder)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        told = failed or f"git {arguments[0]} failed"
        raise ConfigError(f"{told}: {said[0]}" if said else told, hint or "see what git says")
    return done.stdout


def _run(*arguments: str, env: dict[str, str] | None = None, folder: str | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env={**os.environ, **(env or {})},
            cwd=folder,
        )
    except OSError as error:
        raise ConfigError(f"git cannot be run: {error.strerror}", "install git; diff asks it for the revision") from error
