"""JUnit XML: one test case a rule, which fails once for each finding."""

from __future__ import annotations

import re
from html import escape  # of xml.sax, which would do as well, the import costs more than a warm scan

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.rules import RULES

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(analysis: Analysis) -> str:
    """The result as one test suite."""
    by_rule = {rule.ID: [f for f in analysis.findings if f.id == rule.ID] for rule in RULES}
    failed = sum(map(bool, by_rule.values()))
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuite name="tollway audit" tests="{len(RULES)}" failures="{failed}">']
    for rule in RULES:
        lines.append(f"<testcase classname={_attribute(rule.ID)} name={_attribute(rule.TITLE)}>")
        found = by_rule[rule.ID]
        if found:
            body = escape(_clean("\n".join(map(_line, found))), quote=False)
            lines.append(f"<failure message={_attribute(f'{len(found)} findings')}>{body}</failure>")
        lines.append("</testcase>")
    return "\n".join([*lines, "</testsuite>"])


def _line(finding: Finding) -> str:
    return f"{finding.span}: {finding.message}. {finding.hint}"


def _attribute(text: str) -> str:
    return f'"{escape(_clean(text))}"'


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
