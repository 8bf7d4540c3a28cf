"""`tollway audit explain`: a rule, a finding, or a routine."""

from __future__ import annotations

import re
from difflib import get_close_matches
from types import ModuleType
from typing import Annotated

import typer

from tollway.audit.analysis import Analysis
from tollway.audit.cli.inputs import inputs
from tollway.audit.cli.options import ConfigFile, Paths, Python
from tollway.audit.cli.pipeline import analyse, tell_unread
from tollway.audit.config import read_config
from tollway.audit.errors import ConfigError
from tollway.audit.graph.targets import near, routines_named
from tollway.audit.outputs import explained
from tollway.audit.rules import RULES

_RULE = re.compile(r"(?i)bp[0-9o]{1,5}")
_FINGERPRINT = re.compile(r"[0-9a-f]{6,16}")


def explain(
    what: Annotated[str, typer.Argument(help="a rule (BP001), a finding's fingerprint or its first six digits, or a routine")],
    paths: Paths = None,
    python: Python = None,
    config: ConfigFile = None,
) -> None:
    """Say what a rule or a finding means, why it matters, how to mend and how to silence it; or all that is known of a routine.

    Exits 0, or 2 when there is no such rule, finding or routine.
    """
    known = {r.ID: r for r in RULES}
    if what.upper() in known:
        typer.echo(_page(known[what.upper()]))
    elif _RULE.fullmatch(what):
        close = get_close_matches(what.upper().replace("O", "0"), known, 1)
        raise ConfigError(f"no rule {what}", f"did you mean {close[0]}?" if close else f"rules: {', '.join(known)}")
    else:
        settings = read_config(config)
        analysis = analyse(settings, *inputs(settings, paths, python))
        tell_unread(analysis)
        typer.echo(_answer(what, analysis, known))


def _answer(what: str, analysis: Analysis, rules: dict[str, ModuleType]) -> str:
    found = [f for f in analysis.findings if f.fingerprint.startswith(what)] if _FINGERPRINT.fullmatch(what) else []
    if len({f.fingerprint for f in found}) > 1:
        raise ConfigError(f"{what} begins several fingerprints", "one of: " + ", ".join(f.fingerprint for f in found))
    if found:
        return explained.finding(found[0], rules[found[0].id])
    routines = routines_named(analysis, what)
    if routines:
        return "\n\n".join(explained.routine(r, analysis) for r in routines)
    names = [*rules, *(f.fingerprint for f in analysis.findings), *dict.fromkeys(r.name for r in analysis.facts.routines)]
    told = "name a rule (BP001), a fingerprint of `tollway audit scan`, or a routine; was it mended, or are other paths scanned?"
    raise ConfigError(f"no rule, finding or routine is called {what}", near(what, names, told))


def _page(rule: ModuleType) -> str:
    reported = " ".join((rule.check.__doc__ or "").split())
    told = {"why": rule.WHY, "reported": reported, "mend": rule.MEND, "misses": rule.BLIND}
    told["silence"] = f"ignore = [{rule.ID!r}] in the configuration"
    return "\n".join([f"{rule.ID}: {rule.TITLE}", "", *(f"{part + ':':<10}{text}" for part, text in told.items())])
