"""All that is known of one finding, and of one routine."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from tollway.audit.analysis import Analysis
from tollway.audit.graph import build
from tollway.audit.graph.targets import Targets
from tollway.audit.model import Finding, Routine, Verdict, Write
from tollway.audit.outputs.quote import Quoter

_FEW = 12


def finding(found: Finding, rule: ModuleType) -> str:
    """What, where, the path, why it matters, how to mend it, how to silence it."""
    quoter = Quoter()
    lines = [f"{found.id}: {found.message}", "", f"--> {found.span}:{found.span.col}", *quoter.snippet(found.span, context=2)]
    if found.path:
        lines += ["", "the path:"]
        for number, step in enumerate((found.span, *found.path), 1):
            lines.append(f"  {number}. {quoter.step(step)}")
    lines += ["", f"why:      {found.why or rule.WHY}"]
    lines += [f"mend:     {found.hint}"] if found.hint else []
    lines += [f"          {rule.MEND}", f"rule:     {rule.TITLE}", f"misses:   {rule.BLIND}"]
    if found.confidence == "inferred":
        lines.append("inferred: no configuration declares the effect; `tollway audit init` writes one down")
    return "\n".join([*lines, *_silence(found)])


def _silence(found: Finding) -> Iterator[str]:
    mark = "#" if found.span.file.split("#")[0].endswith(".py") and "#" not in found.span.file else "--"
    yield f'silence:  on the line or the one above:  {mark} tollway: ignore {found.id} reason="..." owner=... until=YYYY-MM-DD'
    yield "          or in the configuration:       [[suppress]]"
    yield f'                                         fingerprint = "{found.fingerprint}"'
    yield '                                         reason = "..."'


def routine(about: Routine, analysis: Analysis) -> str:
    """What it changes and with which effects, what it calls, who reaches it, and what is found in it."""
    facts, names = analysis.facts, {r.id for r in analysis.facts.routines}
    lines = [f"{about.id}: {about.language} at {about.span}" + (", security definer" if about.security_definer else "")]
    mine = sorted({w.key: w for w in facts.writes if w.routine == about.id}.values(), key=lambda w: w.span)
    states = [w for w in mine if w.effect != "other"]
    lines += _part("changes a state:", [line for w in states for line in _write(w, analysis.verdicts)], "changes no state itself")
    others = dict.fromkeys(f"{w.span}  {w.verb} {w.relation}" for w in mine if w.effect == "other")
    lines += _part("other writes:", list(others))
    calls = sorted({c for c in facts.calls if c.source == about.id and c.target in names}, key=lambda c: c.span)
    lines += _part("calls:", list(dict.fromkeys(f"{c.span}  {c.target}" for c in calls)))
    graph = build(analysis, Targets(routines=(about.id,)))
    ways = [" > ".join([path[0].source, *(e.target for e in path)]) for path in graph.paths()]
    lines += _part("reached by:", list(dict.fromkeys(ways)), "nothing that was read calls it")
    lines += _part("findings:", [f"{f.span}  {f.id} {f.fingerprint}  {f.message}" for f in _findings(about, analysis)], "no finding in it")
    return "\n".join(lines)


def _part(title: str, lines: list[str], otherwise: str = "") -> Iterator[str]:
    if lines:
        yield title
        yield from (f"  {line}" for line in lines[:_FEW])
        if len(lines) > _FEW:
            yield f"  and {len(lines) - _FEW} more"
    elif otherwise:
        yield otherwise


def _write(write: Write, verdicts: list[Verdict]) -> Iterator[str]:
    to = f" to {' | '.join(write.state_values)}" if write.state_values else ""
    yield f"{write.span}  {write.verb} {write.relation}{to}{'  (maybe)' if write.effect == 'maybe' else ''}"
    for v in verdicts:
        if v.write.key == write.key and v.write.routine == write.routine:
            proof = f", {v.proof[-1]}" if len(v.proof) > 1 else ""
            yield f"  {v.effect}: {v.status}" + (f" ({v.reason}{proof})" if v.reason else proof)


def _findings(about: Routine, analysis: Analysis) -> Iterator[Finding]:
    """Those that stand in it, and those whose path leads through it."""
    for found in analysis.findings:
        if any(s.file == about.span.file and about.span.line <= s.line <= about.line_end for s in (found.span, *found.path)):
            yield found
