"""The commands of `tollway audit`, put together. Exit codes: 0 clean, 1 findings, 2 configuration, 3 the analysis is incomplete."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tollway.audit.analysis import Analysis
from tollway.audit.baseline import Baseline
from tollway.audit.baseline import read as read_baseline
from tollway.audit.cache import Answer
from tollway.audit.cli.baseline import baseline
from tollway.audit.cli.diff import diff
from tollway.audit.cli.explain import explain
from tollway.audit.cli.graph import graph
from tollway.audit.cli.init import init
from tollway.audit.cli.inputs import Asked, Format
from tollway.audit.cli.pipeline import analyse, judge
from tollway.audit.cli.recall import Scan, remember, show
from tollway.audit.config import read_config
from tollway.audit.dynamic import register
from tollway.audit.errors import ConfigError
from tollway.audit.live import read_live
from tollway.audit.outputs import contract, github, junit, markdown, sarif, text
from tollway.audit.suppress.apply import unread

CLEAN, FINDINGS, CONFIGURATION, INCOMPLETE = 0, 1, 2, 3
app = typer.Typer(name="audit", help="Which statements change a state, and which side effects can be bypassed.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """Which statements change a state, by which paths, and which required side effect can be bypassed."""


@app.command()
def scan(
    context: typer.Context,
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
    if dsn:
        settings = read_config(config)
        known = read_baseline(baseline_file) if baseline_file else Baseline()
        answer = _answer(judge(read_live(settings, dsn, [*(python or ()), *settings.python]), known.inferred), known, output)
    else:
        asked = Asked(tuple(paths or ()), tuple(python or ()), config, baseline_file, output)
        work = Scan.of(asked)
        kept = None if no_cache else work.kept()
        answer = kept or _answer(analyse(work.settings, work.paths, work.python, work.known.inferred), work.known, output)
        if not no_cache:
            if kept is None:
                work.keep(answer)
            remember(context.obj, asked)
    show(answer)
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


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    Raises:
        ConfigError: the arguments, the configuration or a file that it names cannot be used.
    """
    given = list(arguments)
    try:
        result = app(args=given, standalone_mode=False, prog_name="tollway audit", obj=given)
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except SystemExit:  # typer's answer to a reader that has seen enough, such as `| head`; its code would mean findings
        return 128 + signal.SIGPIPE
    except Exception as error:
        if type(error).__module__.startswith(("click", "typer")) and hasattr(error, "format_message"):
            if not error.format_message():  # no command was given, and the usage has been printed
                return CONFIGURATION
            raise ConfigError(error.format_message()) from error
        raise
    return result if isinstance(result, int) else CLEAN
