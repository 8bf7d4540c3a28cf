"""Differences for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tollway.audit.compare.differences import Differences
from tollway.audit.model import SCHEMA_VERSION, Finding, Verdict, Write
from tollway.audit.outputs.quote import Quoter, finding
from tollway.audit.rules.common import subject


def text(found: Differences, revision: str) -> str:
    """The new findings in full, the rest a line each."""
    quoter = Quoter()
    lines: list[str] = []
    for one in found.new:
        lines += [*finding(one, quoter), ""]
    lines += _part("findings that are gone", (f"- {f.id}: {f.message}" for f in found.gone))
    lines += _part("verdicts that got worse", (_moved(a, b) for a, b in found.worse))
    lines += _part("verdicts that got better", (_moved(a, b) for a, b in found.better))
    lines += _part("new writes of a state", (f"+ {_write(w)}" for w in found.new_writes))
    lines += _part("writes of a state that are gone", (f"- {subject(w)}" for w in found.gone_writes))
    lines += _part("not read, and new", (f"+ {u.span}  {u.detail}" for u in found.unread))
    lines.append(
        f"since {revision}: {len(found.new)} new findings, {len(found.gone)} gone; {len(found.worse)} verdicts worse, "
        f"{len(found.better)} better; {len(found.new_writes)} new writes, {len(found.gone_writes)} gone"
    )
    return "\n".join(lines)


def as_json(found: Differences, revision: str) -> str:
    """The same as one document."""
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "revision": revision,
        "new": [_finding(f) for f in found.new],
        "gone": [_finding(f) for f in found.gone],
        "worse": [_verdicts(a, b) for a, b in found.worse],
        "better": [_verdicts(a, b) for a, b in found.better],
        "new_writes": [{"write": subject(w), "file": w.span.file, "line": w.span.line} for w in found.new_writes],
        "gone_writes": [{"write": subject(w), "file": w.span.file, "line": w.span.line} for w in found.gone_writes],
        "unread": [{"file": u.span.file, "line": u.span.line, "detail": u.detail} for u in found.unread],
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _part(title: str, lines: Iterable[str]) -> Iterator[str]:
    told = list(lines)
    if told:
        yield f"{title}:"
        yield from (f"  {line}" for line in told)
        yield ""


def _write(write: Write) -> str:
    return f"{write.span}  {subject(write)}"


def _moved(before: Verdict, after: Verdict) -> str:
    return f"{after.write.span}  {subject(after.write)}, {after.effect}: {before.status} -> {after.status}"


def _finding(found: Finding) -> dict[str, Any]:
    return {"id": found.id, "fingerprint": found.fingerprint, "message": found.message, "file": found.span.file, "line": found.span.line}


def _verdicts(before: Verdict, after: Verdict) -> dict[str, Any]:
    return {
        "write": subject(after.write),
        "effect": after.effect,
        "before": before.status,
        "after": after.status,
        "file": after.write.span.file,
        "line": after.write.span.line,
    }
