"""Where answers are kept: `$XDG_CACHE_HOME/tollway/audit`, else `~/.cache/tollway/audit`, one file each.

Never inside of the project: a repository could bring along an answer that says it is clean. And never by pickle: a file is data.
A cache can only help. What cannot be read is no answer, what cannot be written is not kept, and neither is an error.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

VERSION = 1
MOST = 64
"""Files that are kept; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a scan printed, and its exit code."""

    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Cache:
    """Answers by key."""

    folder: Path

    @classmethod
    def usual(cls, name: str = "audit") -> Cache | None:
        """The user's own of this name; none without a home."""
        given = os.environ.get("XDG_CACHE_HOME", "")
        try:
            base = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
        except RuntimeError:
            return None
        return cls(base / "tollway" / name)

    def get(self, key: str) -> Answer | None:
        """The answer, if it is there, whole, and of this version."""
        try:
            found = json.loads((self.folder / f"{key}.json").read_text("utf-8"))
            answer = Answer(found["exit_code"], found["output"])
            whole = found["version"] == VERSION and found["key"] == key and found["digest"] == _digest(answer)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return answer if whole else None

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer; whole or not at all."""
        from tempfile import NamedTemporaryFile  # only who has an answer to keep needs it; it costs as much as reading one

        document = {"version": VERSION, "key": key, "exit_code": answer.exit_code, "output": answer.output, "digest": _digest(answer)}
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with NamedTemporaryFile("w", encoding="utf-8", dir=self.folder, suffix=".new", delete=False) as file:
                json.dump(document, file)
            Path(file.name).replace(self.folder / f"{key}.json")
            self._forget()
        except OSError:
            return

    def _forget(self) -> None:
        kept = sorted(self.folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in kept[MOST:]:
            file.unlink(missing_ok=True)


def _digest(answer: Answer) -> str:
    return hashlib.sha256(f"{answer.exit_code}\0{answer.output}".encode(errors="surrogatepass")).hexdigest()
