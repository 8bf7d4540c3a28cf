"""The static analysis of a live database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tollway.audit.analysis import Analysis, read_sources
from tollway.audit.config import Config
from tollway.audit.live.connect import Connection
from tollway.audit.live.read import read, texts
from tollway.audit.load.code import Source
from tollway.audit.prove.ladder import prove
from tollway.audit.rules import check


def read_live(config: Config, dsn: str, python: Sequence[str] = ()) -> Analysis:
    """`analysis.read` of a database instead of files: facts and states, before verdicts.

    Raises:
        AuditError: no driver, or no server.
    """
    return _analyse(config, texts(dsn), python)


def judge_live(config: Config, connection: Connection, python: Sequence[str] = ()) -> Analysis:
    """The whole of it with verdicts and findings, by a connection that is there."""
    analysis = _analyse(config, list(read(connection)), python)
    analysis.verdicts = prove(analysis)
    analysis.findings = check(analysis)
    return analysis


def _analyse(config: Config, sources: list[Source], python: Sequence[str]) -> Analysis:
    analysis = read_sources(config, sources, python)
    for body in analysis.overloads:
        if body.routine.origin == "file":
            body.routine = replace(body.routine, origin="live")
    analysis.facts.routines[:] = [
        replace(r, origin="live") if r.origin == "file" and r.span.file.startswith("live:") else r for r in analysis.facts.routines
    ]
    return analysis
