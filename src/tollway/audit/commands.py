"""`tollway audit`: the command line. Exit codes: 0 clean, 1 findings, 2 configuration, 3 the analysis is incomplete."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tollway.audit.analysis import Analysis
from tollway.audit.baseline import Baseline
from tollway.audit.baseline import read as read_baseline
from tollway.audit.cache import Answer, Cache, key
from tollway.audit.cli.baseline import baseline
from tollway.audit.cli.diff import diff
from tollway.audit.cli.explain import explain
from tollway.audit.cli.graph import graph
from tollway.audit.cli.init import init
from tollway.audit.cli.pipeline import analyse, inputs, judge
from tollway.audit.config import read_config
from tollway.audit.dynamic import register
from tollway.audit.errors import AuditError
from tollway.audit.live import read_live
from tollway.audit.outputs import contract, github, junit, markdown, sarif, text
from tollway.audit.suppress.apply import unread

CLEAN, FINDINGS, CONFIGURATION, INCOMPLETE = 0, 1, 2, 3
TRACEBACK_VARIABLE = "TOLLWAY_TRACEBACK"
_DEPTH = 10_000
"""Calls on the stack: blocks in blocks in blocks are read by functions that call themselves."""

app = typer.Typer(name="audit", help="Which statements change a state, and which side effects can be bypassed.", no_args_is_help=True)


class Format(StrEnum):
    """How to print the result."""

    text = "text"
    json = "json"
    sarif = "sarif"
    markdown = "markdown"
    github = "github"
    junit = "junit"


@app.callback()
def audit() -> None:
    """Which statements change a state, by which paths, and which required side effect can be bypassed."""


@app.command()
def scan(
    paths: Annotated[list[str] | None, typer.Argument(help="SQL files, folders, globs, or .py files that hold SQL scripts")] = None,
    python: Annotated[list[str] | None, typer.Option("--python", help="a folder of Python that uses the schema")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML; else tollway-audit.toml or pyproject.toml here")] = None,
    output: Annotated[Format, typer.Option("--format", help="how to print the result")] = Format.text,
    dsn: Annotated[str, typer.Option("--dsn", help="read a live database instead of files")] = "",
    baseline_file: Annotated[Path | None, typer.Option("--baseline", help="report only findings that this file does not have")] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="read everything again, also what has not changed since the last scan")
    ] = False,
) -> None:
    """Read SQL and Python, report every statement that changes a state and every effect that can be bypassed.

    Exits 0 when clean, 1 with findings, 2 on a wrong configuration, 3 when something could not be read.
    """
    settings = read_config(config)
    known = read_baseline(baseline_file) if baseline_file else Baseline()
    if dsn:
        answer = _answer(judge(read_live(settings, dsn, [*(python or ()), *settings.python]), known.inferred), known, output)
    else:
        given, packages = inputs(settings, paths, python)
        cache = None if no_cache else Cache.usual()
        name = key(settings, given, packages, output, repr((sorted(known.fingerprints), known.inferred))) if cache else ""
        kept = cache.get(name) if cache else None
        answer = kept or _answer(analyse(settings, given, packages, known.inferred), known, output)
        if cache and kept is None:
            cache.put(name, answer)
    typer.echo(answer.output)
    raise typer.Exit(answer.exit_code)


def _answer(analysis: Analysis, known: Baseline, output: Format) -> Answer:
    analysis.findings = [f for f in analysis.findings if f.fingerprint not in known.fingerprints]
    return Answer(exit_code(analysis), _RENDER[output](analysis))


register(app)
for command in (init, explain, graph, diff, baseline):
    app.command()(command)

_RENDER = {
    Format.text: text.render,
    Format.json: contract.render,
    Format.sarif: sarif.render,
    Format.markdown: markdown.render,
    Format.github: github.render,
    Format.junit: junit.render,
}


def exit_code(analysis: Analysis) -> int:
    """An incomplete analysis is never clean, whatever else it found; what somebody has looked at and suppressed does not count."""
    if unread(analysis):
        return INCOMPLETE
    return FINDINGS if analysis.findings else CLEAN


def _internal(error: Exception) -> int:
    """A mistake of the auditor: what it was reading is not analysed, so the result is incomplete and never clean."""
    if isinstance(error, RecursionError):
        told = "a statement is nested too deeply to be read"
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        told = f"internal error: {type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"
    print(f"tollway audit: {told}", file=sys.stderr)
    print(f"hint: leave out the file with `exclude`, and report it; {TRACEBACK_VARIABLE}=1 shows where it happened", file=sys.stderr)
    return INCOMPLETE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _DEPTH))
    try:
        result = app(args=list(argv) if argv is not None else None, standalone_mode=False, prog_name="tollway audit")
    except AuditError as error:
        print(f"tollway audit: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    except typer.Exit as done:
        return done.exit_code
    except SystemExit:  # typer's answer to a reader that has seen enough, such as `| head`; its code would mean findings
        return 128 + signal.SIGPIPE
    except Exception as error:
        if type(error).__module__.startswith(("click", "typer")) and hasattr(error, "format_message"):
            print(f"tollway audit: {error.format_message()}", file=sys.stderr)
            return CONFIGURATION
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        return _internal(error)
    return result if isinstance(result, int) else CLEAN
