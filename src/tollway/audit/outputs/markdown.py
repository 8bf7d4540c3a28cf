"""Markdown, for a comment on a pull request."""

from __future__ import annotations

from tollway.audit.analysis import Analysis


def render(analysis: Analysis) -> str:
    """A table of the findings, with what is not read counted."""
    lines = [f"**tollway audit**: {len(analysis.findings)} findings, {len(analysis.facts.unknowns)} places not read"]
    if analysis.findings:
        lines += ["", "| rule | where | what | mend |", "|---|---|---|---|"]
        lines += [f"| {f.id} | {_cell(str(f.span))} | {_cell(f.message)} | {_cell(f.hint)} |" for f in analysis.findings]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """A bar or a line break would end the cell; the rest would become emphasis, a link, an entity, HTML or mathematics."""
    for char in "\\|*_`<[]~&$":
        text = text.replace(char, "\\" + char)
    return " ".join(text.split())
