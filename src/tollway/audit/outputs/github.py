"""Annotations of GitHub Actions, one line a finding."""

from __future__ import annotations

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding


def render(analysis: Analysis) -> str:
    """The findings as workflow commands."""
    return "\n".join(_line(f) for f in analysis.findings)


def _line(finding: Finding) -> str:
    where = f"file={_property(finding.span.file.split('#')[0])},line={max(finding.span.line, 1)},col={max(finding.span.col, 1)}"
    return f"::warning {where},title={_property(finding.id)}::{_data(finding.message + '. ' + finding.hint)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
