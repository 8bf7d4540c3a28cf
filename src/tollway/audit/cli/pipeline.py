"""From settings and inputs to verdicts and findings, the same way for every command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import typer

from tollway.audit.analysis import Analysis, read
from tollway.audit.config import Config, Requirement
from tollway.audit.prove.ladder import prove
from tollway.audit.rules import check
from tollway.audit.rules.candidates import strong
from tollway.audit.suppress.apply import unread


def analyse(settings: Config, paths: Sequence[str], python: Sequence[str] = (), inferred: Sequence[Requirement] = ()) -> Analysis:
    """Read, prove and check."""
    return judge(read(settings, paths, python), inferred)


def tell_unread(analysis: Analysis) -> bool:
    """Name on standard error what was not read; was there any?"""
    left = unread(analysis)
    for unknown in left:
        typer.echo(f"not read: {unknown.span}: {unknown.detail}", err=True)
    return bool(left)


def judge(analysis: Analysis, inferred: Sequence[Requirement] = ()) -> Analysis:
    """Prove and check what was read. Without a declared effect, those inferred before are required, else those that most changes have."""
    if not analysis.config.require:
        analysis.config = replace(analysis.config, require=tuple(inferred) or strong(analysis))
        analysis.guessed = bool(analysis.config.require)
    analysis.verdicts = prove(analysis)
    analysis.findings = check(analysis)
    return analysis
