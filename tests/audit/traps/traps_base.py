"""One scan of a trap through the public command, and the questions that the traps ask of its JSON."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tollway.audit.commands import main


class Report:
    """The JSON of one scan, with the questions that the traps ask."""

    def __init__(self, document: dict[str, Any], exit_code: int) -> None:
        self.document = document
        self.exit_code = exit_code

    @property
    def writes(self) -> list[tuple[str, str, str]]:
        """(routine, verb, relation) of each write, in order of the file."""
        return [(w["routine"], w["verb"], w["relation"]) for w in self.document["writes"]]

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """The writes that change a state, for certain or maybe."""
        return [(w["routine"], w["verb"], w["relation"]) for w in self.document["writes"] if w["effect"] != "other"]

    @property
    def lines(self) -> list[int]:
        return [w["line"] for w in self.document["writes"]]

    @property
    def calls(self) -> set[tuple[str, str, str]]:
        return {(c["from"], c["to"], c["kind"]) for c in self.document["calls"]}

    @property
    def unknowns(self) -> list[tuple[str, str]]:
        return [(u["routine"], u["kind"]) for u in self.document["unknowns"]]

    def statuses(self, effect: str = "audit") -> dict[str, str]:
        """For each routine that changes a state, how surely the effect follows."""
        return {v["write"]["routine"]: v["status"] for v in self.document["verdicts"] if v["effect"] == effect}

    def found(self, rule: str) -> list[dict[str, Any]]:
        return [f for f in self.document["findings"] if f["id"] == rule]


Scan = Callable[..., Report]

JOB = "create table app.job (id int primary key, state text not null); create table app.log (id int);"


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    """scan(sql, *more_sql, python="...", config="..."): files 1.sql, 2.sql, ... in that order; the state is app.job.state."""

    def run(*sql: str, python: str = "", config: str = 'state = ["app.job.state"]', name: str = "sql") -> Report:
        files = []
        for number, text in enumerate(sql, 1):
            file = tmp_path / f"{number}.{name}"
            file.write_text(dedent(text))
            files.append(str(file))
        (tmp_path / "audit.toml").write_text(dedent(config))
        arguments = ["scan", *files, "--config", str(tmp_path / "audit.toml"), "--format", "json"]
        if python:
            (tmp_path / "program.py").write_text(dedent(python))
            arguments += ["--python", str(tmp_path / "program.py")]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exit_code = main(arguments)
        return Report(json.loads(printed.getvalue()), exit_code)

    return run
