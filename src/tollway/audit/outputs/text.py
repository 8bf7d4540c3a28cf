"""The report for people: each finding says what, where, by which path, why it matters and how to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Write
from tollway.audit.outputs.quote import Quoter, finding


def render(analysis: Analysis) -> str:
    """The report."""
    lines: list[str] = []
    quoter = Quoter()
    for found in analysis.findings:
        lines += [*finding(found, quoter), ""]
    lines += _writes(analysis)
    lines += _verdicts(analysis)
    lines += _summary(analysis)
    return "\n".join(lines)


def _writes(analysis: Analysis) -> Iterator[str]:
    found = sorted((w for w in analysis.facts.writes if w.effect != "other"), key=lambda w: w.span)
    if analysis.inferred:
        named = ", ".join(str(s) for s in analysis.states) or "none"
        yield f"states (inferred, as no configuration names them): {named}"
    else:
        yield f"states: {', '.join(str(s) for s in analysis.states)}"
    yield f"{len(found)} statements change a state:"
    yield from (_line(write) for write in found)


def _line(write: Write) -> str:
    to = f" -> {' | '.join(write.state_values)}" if write.state_values else ""
    unsure = "  (maybe)" if write.effect == "maybe" else ""
    return f"  {write.span}  {write.routine}  {write.verb} {write.relation}{to}{unsure}"


def _verdicts(analysis: Analysis) -> Iterator[str]:
    if not analysis.verdicts:
        return
    yield ""
    if analysis.guessed:
        yield "required effects (inferred from what most changes do; `tollway audit init` writes them down):"
    else:
        yield "required effects:"
    for effect in dict.fromkeys(v.effect for v in analysis.verdicts):
        counted = Counter(v.status for v in analysis.verdicts if v.effect == effect)
        yield f"  {effect}: {', '.join(f'{n} {status}' for status, n in counted.most_common())}"


def _summary(analysis: Analysis) -> Iterator[str]:
    facts = analysis.facts
    yield ""
    yield (
        f"{analysis.files} texts, {len(facts.routines)} routines, {len(facts.writes)} writes, {len(facts.calls)} calls, "
        f"{len(facts.triggers)} triggers; {len(analysis.findings)} findings, {len(facts.unknowns)} places not read"
        + (f", {len(analysis.silenced)} suppressed" if analysis.silenced else "")
    )
