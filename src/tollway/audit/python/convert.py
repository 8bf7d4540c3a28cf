"""From what the walks recorded to the auditor's facts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from tollway.audit.model import TOP_LEVEL, Call, Effect, Facts, Routine, Span, Unknown, Write
from tollway.audit.python.facts import Did, Record
from tollway.audit.python.modules import FunctionInfo, Project
from tollway.audit.python.sqltext import Place, SqlCall, SqlNotify, SqlWrite

MAYBE = 0.5
"""The confidence of what may never be sent, or to another table."""


class Converter:
    """One scan's record as facts."""

    def __init__(self, project: Project, record: Record, sql_functions: Iterable[Routine]) -> None:
        self.project = project
        self.record = record
        self.by_name: dict[str, list[Routine]] = {}
        for routine in sql_functions:
            for name in {routine.name.lower(), routine.name.lower().rpartition(".")[2]}:
                self.by_name.setdefault(name, []).append(routine)

    def facts(self) -> Facts:
        facts = Facts()
        for did in self.record.did:
            facts.extend(self._did(did))
        for call in self.record.calls:
            facts.calls.append(
                Call(call.routine, call.target, _span(call.place), "python", call.guards if call.certain else (*call.guards, "maybe"))
            )
        for unresolved in self.record.unresolved:
            facts.unknowns.append(Unknown(unresolved.kind, unresolved.routine, _span(unresolved.place), unresolved.why))
        for failure in self.project.failures:
            facts.unknowns.append(Unknown("unreadable", TOP_LEVEL, Span(failure.file, failure.line), failure.reason))
        named = {w.routine for w in facts.writes}
        named.update(e.routine for e in facts.effects)
        named.update(u.routine for u in facts.unknowns)
        named.update(name for call in facts.calls for name in (call.source, call.target))
        facts.routines = [self._routine(info) for info in self.project.functions() if info.dotted in named]
        facts.writes.sort(key=lambda w: w.span)
        facts.calls.sort(key=lambda c: (c.span, c.target))
        return facts

    def _did(self, did: Did) -> list[Write | Call | Effect]:
        via = f"{did.sent.file}:{did.sent.line}" if did.sent else ""
        span, fact = replace(_span(did.place), via=via), did.fact
        if isinstance(fact, SqlNotify):
            return [Effect("notify", fact.channel, did.routine, span, did.guards)]
        if isinstance(fact, SqlCall):
            guards = did.guards if did.certain else (*did.guards, "maybe")
            return [Call(did.routine, target, span, "python", guards) for target in self._targets(fact)]
        return [self._write(did, fact, span)]

    def _write(self, did: Did, fact: SqlWrite, span: Span) -> Write:
        return Write(
            routine=did.routine,
            verb=fact.verb,
            relation=fact.relation,
            columns=fact.columns,
            span=span,
            dynamic="*" in fact.relation,
            confidence=1.0 if did.certain else MAYBE,
            values=fact.values,
            guards=did.guards,
            inserted=fact.inserted,
        )

    def _targets(self, call: SqlCall) -> list[str]:
        """The functions that a call may mean: by name, then by the number of arguments; all of that name when no number fits."""
        schema, _, name = call.name.lower().rpartition(".")
        found = self.by_name.get(name if schema in {"", "*"} else call.name.lower(), [])
        if not found:
            return [call.name] if schema else []
        fitting = [r for r in found if r.min_args <= call.arity <= len(r.args)]
        return sorted({r.id for r in fitting or found})

    def _routine(self, info: FunctionInfo) -> Routine:
        text = "".join(info.module.lines[info.node.lineno - 1 : info.node.end_lineno])
        return Routine(
            id=info.dotted,
            name=info.qualname,
            args=tuple(a.arg for a in info.parameters),
            span=Span(info.module.path, info.node.lineno, info.node.col_offset + 1),
            line_end=info.node.end_lineno or info.node.lineno,
            language="python",
            body_hash=hashlib.sha256(text.encode()).hexdigest(),
            origin="python",
        )


def _span(place: Place) -> Span:
    return Span(place.file, place.line, place.col + 1)
