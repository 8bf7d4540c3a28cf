"""The JSON contract. Its keys are stable within one `schema_version`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tollway.audit.analysis import Analysis
from tollway.audit.model import SCHEMA_VERSION, Call, Finding, Routine, Span, Suppression, Trigger, Verdict, Write


def render(analysis: Analysis) -> str:
    """The whole analysis as one JSON document."""
    return json.dumps(document(analysis), indent=1, ensure_ascii=False)


def document(analysis: Analysis) -> dict[str, Any]:
    """The document as plain data."""
    facts = analysis.facts
    names = {r.id: r.name for r in facts.routines}
    return {
        "schema_version": SCHEMA_VERSION,
        "states": [str(s) for s in analysis.states],
        "states_inferred": analysis.inferred,
        "routines": [_routine(r) for r in facts.routines],
        "writes": [_write(w, names) for w in sorted(facts.writes, key=lambda w: w.span)],
        "calls": [_call(c, names) for c in sorted(facts.calls, key=lambda c: c.span)],
        "triggers": [_trigger(t) for t in facts.triggers],
        "unknowns": [
            {"kind": u.kind, "routine": names.get(u.routine, u.routine), "file": u.span.file, "line": u.span.line, "detail": u.detail}
            for u in facts.unknowns
        ],
        "verdicts": [_verdict(v, names) for v in analysis.verdicts],
        "findings": [_finding(f) for f in analysis.findings],
        "suppressed": [{**_finding(f), "suppression": _suppression(s)} for f, s in analysis.silenced],
    }


def _routine(r: Routine) -> dict[str, Any]:
    return {
        "name": r.name,
        "args": list(r.args),
        "file": r.span.file,
        "line_start": r.span.line,
        "line_end": r.line_end,
        "language": r.language,
        "id": r.id,
    }


def _call(c: Call, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "from": names.get(c.source, c.source),
        "to": names.get(c.target, c.target),
        "line": c.span.line,
        "kind": c.kind,
        "file": c.span.file,
        "from_id": c.source,
        "to_id": c.target,
    }


def _trigger(t: Trigger) -> dict[str, Any]:
    return {
        "name": t.name,
        "relation": t.relation,
        "function": t.function,
        "events": list(t.events),
        "columns": list(t.columns),
        "when": t.when,
        "level": t.level,
        "timing": t.timing,
        "enabled": t.enabled,
        "file": t.span.file,
        "line": t.span.line,
    }


def _write(write: Write, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "routine": names.get(write.routine, write.routine),
        "verb": write.verb,
        "relation": write.relation,
        "columns": list(write.columns),
        "file": write.span.file,
        "line": write.span.line,
        "dynamic": write.dynamic,
        "effect": write.effect,
        "state_columns": list(write.state_columns),
        "state_values": list(write.state_values),
        "confidence": write.confidence,
        "routine_id": write.routine,
    }


def _span(span: Span) -> dict[str, Any]:
    return {"file": span.file, "line": span.line, "via": span.via}


def _verdict(verdict: Verdict, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "write": _write(verdict.write, names),
        "effect": verdict.effect,
        "status": verdict.status,
        "proof": [_span(s) for s in verdict.proof],
        "reason": verdict.reason,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "message": finding.message,
        "file": finding.span.file,
        "line": finding.span.line,
        "fingerprint": finding.fingerprint,
        "path": [_span(s) for s in finding.path],
        "why": finding.why,
        "hint": finding.hint,
        "confidence": finding.confidence,
    }


def _suppression(suppression: Suppression) -> dict[str, Any]:
    return {
        "reason": suppression.reason,
        "owner": suppression.owner,
        "until": suppression.until.isoformat() if suppression.until else None,
        "file": suppression.span.file,
        "line": suppression.span.line,
    }
