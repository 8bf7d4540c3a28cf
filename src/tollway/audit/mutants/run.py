"""Running the mutants: first the static verdicts, in a transaction that is rolled back; then the project's check, on a copy."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tollway.audit.analysis import Analysis
from tollway.audit.config import Config
from tollway.audit.errors import AuditError, ConfigError
from tollway.audit.live import Connection, connect, judge_live
from tollway.audit.mutants.make import Mutant, all_mutants
from tollway.audit.scratch.database import scratch

Check = Callable[[str], str]
"""Given a DSN: "" when the check passes, else its last words."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant. `survived` is what nobody noticed (with `both`: not everybody), `invalid` what could not be put in place."""

    mutant: Mutant
    how: Literal["verdict", "check", "both", "survived", "invalid"]
    detail: str = ""


class BaselineRed(AuditError):
    """The check fails, or there are findings, before anything is broken: mutants would prove nothing."""


def command(line: str) -> Check:
    """A shell command as the check. It gets the DSN in TOLLWAY_AUDIT_DSN, and in place of {dsn}.

    Raises:
        ConfigError: the line is not quoted as in a shell; when it is run, there is no such program.
    """

    try:
        given = shlex.split(line)
    except ValueError as error:
        raise ConfigError(f"--check {line}: {error}", "give --check one command, quoted as in a shell") from error

    def run(dsn: str) -> str:
        words = [word.replace("{dsn}", dsn) for word in given]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "TOLLWAY_AUDIT_DSN": dsn})
        except OSError as error:
            raise ConfigError(f"--check {words[0]}: {error.strerror}", "give --check a program that is on the path") from error
        return "" if done.returncode == 0 else (done.stderr or done.stdout).strip()[-300:] or f"exit code {done.returncode}"

    return run


def mutate(config: Config, dsn: str, check: Check | None, only: Sequence[str] = (), both: bool = False) -> tuple[list[str], list[Outcome]]:
    """Try every mutant of the database of `dsn`; gives what the baseline showed, and the outcomes.

    `only`: mutants whose name has one of these texts; all if empty. `both`: the check must fail also where a verdict turned already.

    Raises:
        BaselineRed: something is wrong before anything is broken.
    """
    import psycopg

    name = str(psycopg.conninfo.conninfo_to_dict(dsn).get("dbname"))
    with connect(dsn) as connection:
        baseline = judge_live(config, connection)
        if baseline.findings or baseline.facts.unknowns:
            first = next((f"{f.id}: {f.message}" for f in baseline.findings), "something could not be read")
            raise BaselineRed(f"the unbroken schema has findings: {first}", "mend or explain them first: scan --dsn shows them")
        mutants = [m for m in all_mutants(connection, baseline) if not only or any(text in str(m) for text in only)]
        outcomes = {m: _judge(connection, config, baseline, m) for m in mutants}
    shown = [f"baseline: {len(baseline.verdicts)} verdicts, no finding"]
    if check is not None:
        with scratch(dsn, name) as copy:
            failed = check(copy)
        if failed:
            raise BaselineRed(f"the check fails on the unbroken schema: {failed}", "mend the check first")
        shown.append("baseline: the check passes")
        for mutant, outcome in outcomes.items():
            if outcome.how == "survived" or (both and outcome.how == "verdict"):
                outcomes[mutant] = _checked(dsn, name, outcome, check)
    return shown, list(outcomes.values())


def _judge(connection: Connection, config: Config, baseline: Analysis, mutant: Mutant) -> Outcome:
    """The static verdicts with the mutant in place."""
    import psycopg

    try:
        with connection.transaction(force_rollback=True):
            connection.execute(mutant.sql)
            if not _in_place(connection, mutant):
                return Outcome(mutant, "invalid", "the catalog does not show it")
            return _compared(baseline, judge_live(config, connection), mutant)
    except psycopg.Error as error:
        return Outcome(mutant, "invalid", str(error).strip())


def _in_place(connection: Connection, mutant: Mutant) -> bool:
    row = connection.execute(mutant.probe).fetchone()
    return bool(row and row[0])


def _compared(baseline: Analysis, broken: Analysis, mutant: Mutant) -> Outcome:
    def verdicts(analysis: Analysis) -> set[tuple[str, str, str, str, str]]:
        return {(v.write.routine, v.write.verb, v.write.relation, v.effect, v.status) for v in analysis.verdicts}

    turned = verdicts(broken) - verdicts(baseline)
    found = sorted({f.id for f in broken.findings})
    if turned and found:
        worst = sorted({f"{effect}: {status}" for *_, effect, status in turned})
        return Outcome(mutant, "verdict", f"{', '.join(found)} ({'; '.join(worst)})")
    return Outcome(mutant, "verdict", ", ".join(found)) if found else Outcome(mutant, "survived")


def _checked(dsn: str, name: str, before: Outcome, check: Check) -> Outcome:
    """The check on a copy with the mutant in place. What the verdicts said of it `before` is told too."""
    mutant, turned = before.mutant, before.how == "verdict"
    with scratch(dsn, name) as copy:
        with connect(copy) as connection:
            connection.execute(mutant.sql)
            if not _in_place(connection, mutant):
                return Outcome(mutant, "invalid", "the catalog of the copy does not show it")
        failed = check(copy)
    if not failed:
        return Outcome(mutant, "survived", f"the check passes, though a verdict turned: {before.detail}" if turned else "")
    return Outcome(mutant, "both" if turned else "check", failed.splitlines()[-1])


def render(shown: Sequence[str], outcomes: Sequence[Outcome]) -> str:
    """Survivors first."""
    order = {"survived": 0, "invalid": 1, "check": 2, "verdict": 3, "both": 4}
    lines = [*shown]
    lines += [_line(o) for o in sorted(outcomes, key=lambda o: (order[o.how], str(o.mutant)))]
    caught = sum(o.how in ("check", "verdict", "both") for o in outcomes)
    lines.append(f"{caught} of {len(outcomes)} mutants caught, {sum(o.how == 'invalid' for o in outcomes)} could not be put in place")
    return "\n".join(lines)


def _line(outcome: Outcome) -> str:
    how = {"both": "verdict and check"}.get(outcome.how, outcome.how.upper() if outcome.how in ("survived", "invalid") else outcome.how)
    return f"{how}: {outcome.mutant}{f': {outcome.detail[:160]}' if outcome.detail else ''}"
