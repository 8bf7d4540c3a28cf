"""The answer to a scan, if it is kept: looked up with as few imports as can be, for a warm scan is little more than its imports.

Two things are kept. What a command line means, which depends on its words and on this code alone, so that the parser of command lines need
not be loaded to know it; and what a scan answered, by everything that the answer depends on.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tollway.audit.baseline import Baseline
from tollway.audit.baseline import read as read_baseline
from tollway.audit.cache import Answer, Cache, code, key
from tollway.audit.cli.inputs import Asked, inputs
from tollway.audit.config import Config, read_config

LINES = "audit-lines"
"""The folder of the command lines, beside that of the answers."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan of files, with all that decides its answer."""

    settings: Config
    paths: list[str]
    python: list[str]
    known: Baseline
    cache: Cache | None
    key: str

    @classmethod
    def of(cls, asked: Asked) -> Scan:
        """Read the configuration and the baseline, and take the digest of every file.

        Raises:
            ConfigError: the configuration or the baseline cannot be used, or nothing is named to read.
        """
        settings = read_config(asked.config)
        known = read_baseline(asked.baseline) if asked.baseline else Baseline()
        paths, python = inputs(settings, asked.paths, asked.python)
        name = key(settings, paths, python, asked.output, repr((sorted(known.fingerprints), known.inferred)))
        return cls(settings, paths, python, known, Cache.usual(), name)

    def kept(self) -> Answer | None:
        """Its answer, if it was given before."""
        return self.cache.get(self.key) if self.cache else None

    def keep(self, answer: Answer) -> None:
        """Its answer, for the next time."""
        if self.cache:
            self.cache.put(self.key, answer)


def recall(arguments: Sequence[str]) -> Answer | None:
    """The kept answer to a command line that was given before.

    Raises:
        ConfigError: as the scan itself would.
    """
    lines = Cache.usual(LINES) if arguments[:1] == ["scan"] else None
    kept = lines.get(_name(arguments)) if lines else None
    if kept is None:
        return None
    try:
        asked = Asked.read(kept.output)
    except (ValueError, TypeError):  # not what this code wrote
        return None
    return Scan.of(asked).kept()


def remember(arguments: Sequence[str] | None, asked: Asked) -> None:
    """What a command line means."""
    lines = Cache.usual(LINES)
    if lines and arguments is not None and lines.get(_name(arguments)) is None:
        lines.put(_name(arguments), Answer(0, asked.text()))


def show(answer: Answer) -> None:
    """Print it, whole; a reader that has gone is told here, not at the end of the process."""
    sys.stdout.write(answer.output + "\n")
    sys.stdout.flush()


def _name(arguments: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([code(), sys.version, *arguments]).encode()).hexdigest()
