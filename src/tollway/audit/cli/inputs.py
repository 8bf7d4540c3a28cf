"""What a command is asked to read, as the command line says it and as the configuration completes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tollway.audit.config import Config
from tollway.audit.errors import ConfigError


class Format(StrEnum):
    """How to print the result."""

    text = "text"
    json = "json"
    sarif = "sarif"
    markdown = "markdown"
    github = "github"
    junit = "junit"


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of a scan of files, as the command line gave them."""

    paths: tuple[str, ...]
    python: tuple[str, ...]
    config: Path | None
    baseline: Path | None
    output: Format

    def text(self) -> str:
        """As JSON, for `Asked.read`."""
        files = [None if file is None else str(file) for file in (self.config, self.baseline)]
        return json.dumps([self.paths, self.python, *files, self.output])

    @classmethod
    def read(cls, text: str) -> Asked:
        """What `text()` gave."""
        paths, python, config, baseline, output = json.loads(text)
        first, second = (None if file is None else Path(file) for file in (config, baseline))
        return cls(tuple(paths), tuple(python), first, second, Format(output))


def inputs(settings: Config, paths: Sequence[str] | None, python: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The SQL and the Python to read: of the command line, else of the configuration.

    Raises:
        ConfigError: neither names any.
    """
    given = list(paths or settings.paths)
    packages = list(dict.fromkeys([*(python or ()), *settings.python]))
    if not given and not packages:
        raise ConfigError("nothing to read", "name SQL files or folders, or set paths in the configuration")
    return given, packages
