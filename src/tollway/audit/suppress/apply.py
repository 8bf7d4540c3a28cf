"""Take out the findings that may stay, and say which suppressions are unused or over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding, Idle, Suppression, Unknown
from tollway.audit.suppress.comments import comments, texts

_UNREAD = frozenset({"BP005", "BP006"})


def apply(analysis: Analysis, findings: Sequence[Finding], today: date | None = None) -> list[Finding]:
    """What is left of the findings. `analysis.silenced` and `analysis.idle` tell the rest."""
    given: list[Suppression] = list(analysis.config.suppress)
    for one in comments([*analysis.texts, *texts(analysis.python)]):
        if isinstance(one, Idle):
            analysis.idle.append(one)
        else:
            given.append(one)
    now = today or datetime.now(UTC).date()
    left, used = [], set()
    for finding in findings:
        fitting = [s for s in given if fits(s, finding)]
        used |= {s.span for s in fitting}
        alive = [s for s in fitting if s.until is None or s.until >= now]
        if alive:
            analysis.silenced.append((finding, alive[0]))
        else:
            left.append(finding)
    for suppression in given:
        _judge(analysis, suppression, now, used=suppression.span in used)
    return left


def fits(suppression: Suppression, finding: Finding) -> bool:
    """Is the finding one that the suppression is about?"""
    if suppression.line and (finding.span.file, finding.span.line) != (suppression.span.file, suppression.line):
        return False
    if suppression.fingerprint and finding.fingerprint != suppression.fingerprint:
        return False
    if suppression.files and not fnmatchcase(finding.span.file, suppression.files):
        return False
    return not suppression.rules or finding.id in suppression.rules


def unread(analysis: Analysis) -> list[Unknown]:
    """What was not read and nobody has said may stay so."""
    known = {f.span for f, _ in analysis.silenced if f.id in _UNREAD}
    return [u for u in analysis.facts.unknowns if u.span not in known]


def _judge(analysis: Analysis, suppression: Suppression, now: date, *, used: bool) -> None:
    about = ", ".join(suppression.rules) or suppression.fingerprint
    owner = f", of {suppression.owner}" if suppression.owner else ""
    subject = f"{suppression.span.file}|{about}|{suppression.fingerprint}|{suppression.reason}"
    if suppression.until is not None and suppression.until < now:
        hint = "mend the finding, or decide again: a later day, with a reason that is true today"
        problem = f"the suppression of {about}{owner} ended on {suppression.until} ({suppression.reason})"
        analysis.idle.append(Idle(suppression.span, problem, hint, f"over|{subject}"))
    elif not used:
        hint = "remove it: what it was about is mended, moved, or of another rule"
        problem = f"the suppression of {about}{owner} silences nothing ({suppression.reason})"
        analysis.idle.append(Idle(suppression.span, problem, hint, f"unused|{subject}"))
