"""SARIF 2.1.0, for code scanners: rules, results, code flows, suppressions, fingerprints without lines."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding, Span, Suppression, Unknown
from tollway.audit.rules import RULES
from tollway.audit.suppress.apply import unread

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_NUMBER = {rule.ID: number for number, rule in enumerate(RULES)}


def render(analysis: Analysis) -> str:
    """The findings as one SARIF document."""
    from importlib.metadata import PackageNotFoundError, version  # no other format pays for it

    driver: dict[str, Any] = {"name": "tollway audit", "rules": [_rule(rule) for rule in RULES]}
    with suppress(PackageNotFoundError):
        driver["version"] = version("tollway")
    left = unread(analysis)
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not left, "toolExecutionNotifications": [_notification(u) for u in left]}],
        "results": [*(_result(f) for f in analysis.findings), *(_result(f, s) for f, s in analysis.silenced)],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)


def _rule(rule: Any) -> dict[str, Any]:
    return {
        "id": rule.ID,
        "shortDescription": {"text": rule.TITLE},
        "fullDescription": {"text": rule.WHY},
        "help": {"text": f"{rule.MEND} What this rule does not see: {rule.BLIND}"},
        "defaultConfiguration": {"level": "warning"},
    }


def _uri(file: str) -> str:
    """A file as a URI: relative ones stay relative, odd characters become numbers."""
    plain = file.split("#")[0]
    if Path(plain).is_absolute():
        return Path(plain).as_uri()
    return quote(plain.replace("\\", "/"), safe="/" if ":" not in plain.split("/")[0] else "/:")


def _location(span: Span) -> dict[str, Any]:
    region = {"startLine": max(span.line, 1), "startColumn": max(span.col, 1)}
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": _uri(span.file)}, "region": region}}
    return {**location, "message": {"text": span.via}} if span.via else location


def _notification(unknown: Unknown) -> dict[str, Any]:
    told = f"not read ({unknown.kind}): {unknown.routine}: {unknown.detail}"
    return {"level": "error", "message": {"text": told}, "locations": [_location(unknown.span)]}


def _result(finding: Finding, suppression: Suppression | None = None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.id,
        "ruleIndex": _NUMBER[finding.id],
        "level": "warning" if finding.confidence == "sure" else "note",
        "message": {"text": f"{finding.message}. {finding.hint}"},
        "locations": [_location(finding.span)],
        "partialFingerprints": {"tollwayAudit/v1": finding.fingerprint},
    }
    if finding.path:
        steps = [{"location": _location(span)} for span in (finding.span, *finding.path)]
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    if suppression is not None:
        kind = "inSource" if suppression.line else "external"
        result["suppressions"] = [{"kind": kind, "justification": suppression.reason, "location": _location(suppression.span)}]
    return result
