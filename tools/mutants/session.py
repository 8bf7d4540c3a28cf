"""A pytest plugin: the collected tests once without a mutant, then for each mutant those that call what it broke, until one fails."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from mutants.calls import called_in
from mutants.derive import Mutant, derive
from mutants.place import Catalog, differences, fingerprint, make_template, mutated, release
from mutants.reach import askers, mentioned
from mutants.regressions import belongs
from mutants.store import Baseline, Result, add, expected, hints, results

TEST_SECONDS = 60
CASES = int(os.environ.get("MUTANTS_CASES", "4"))  # of each parametrized test
TRIES = int(os.environ.get("MUTANTS_TRIES", "10000"))  # of the nearest tests, for a first look
# so that a lock that is waited for where none should be fails its test, and hangs nothing
SETTINGS = {"track_functions": "all", "lock_timeout": "10s"}
# tests that take a mechanism out themselves fail for want of it, and those that ask verify() for the code fail for its sake:
# neither says anything
_CONTROL = re.compile(r"_control\b|_control\[|test_what_is_written_past_the_gate_is_found")
_WHOLE = re.compile(r"tests/races/|test_table_moves|test_gate_records|test_sync_earlier_claims")
# by kind, the tests to begin with
_OF_THE_GATE = "tests/sql/test_gate_(moves|records)|test_on_move|test_deadline"
_NEAR = {
    "trigger": "test_gate_records|test_the_gate_stands",
    "enable": "replica",
    "lock": "tests/races/",
    "skip": "tests/races/",
    "row": "test_table_moves",
    "epoch": "test_fence|wrong_state|_strict",
}


class TooLong(Exception):
    """A test that a mutant keeps from ending."""


def pytest_configure(config: pytest.Config) -> None:
    from fixtures import server  # the tests' own

    server.FAST.update(SETTINGS)
    config.pluginmanager.register(Run(server.TEMPLATE), "mutants-run")


class Run:
    """The run: its server, the template's catalog without a mutant, and what each test calls."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.server: Any = None
        self.baseline = Baseline.load()
        self.recording = False
        self.called: set[str] | None = None
        self.unmutated: Catalog = {}
        self.beyond = SimpleNamespace()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        value = yield
        if fixturedef.argname == "server":
            self.server = value
        return value

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Function) -> None:
        if self.recording and "db" in getattr(item, "funcargs", {}):
            self.called = called_in(item.funcargs["db"])

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        # after each test everything but the session is torn down, as before a test of another folder
        self.beyond = SimpleNamespace(listchain=lambda: [session])
        items = sampled(i for i in session.items if isinstance(i, pytest.Function) and "server" in i.fixturenames)
        self.show_baseline(items)
        if not self.server:
            self.once(next(iter(items.values())))
        self.unmutated = make_template(self.server.dsn, self.template, release())
        done = results()
        for mutant in chosen():
            known = done.get(mutant.name)
            if known and known.outcome == "caught" and known.fingerprint == fingerprint(mutant) and "MUTANTS_AGAIN" not in os.environ:
                continue
            result = self.meet(mutant, items)
            add(result)
            say(f"{result.outcome:8} {mutant.name:42} {result.test or f'({result.tried} tests tried) {result.message}'}")
        make_template(self.server.dsn, self.template, release())
        session._setupstate.teardown_exact(None)  # noqa: SLF001 - pytest has no other way to end a loop of one's own
        return True

    def show_baseline(self, items: dict[str, pytest.Function]) -> None:
        """Every test passes without a mutant, or there is no run."""
        new = [i for k, i in items.items() if k not in self.baseline.seconds]
        if "MUTANTS_KNOWN" in os.environ:  # only tests that are known already
            for item in new:
                del items[item.nodeid]
            new = []
        if new:
            say(f"baseline: {len(new)} tests without a mutant")
        for number, item in enumerate(new, 1):
            if number % 100 == 0:
                self.baseline.save()
                say(f"baseline: {number} of {len(new)}")
            self.recording, self.called = True, None
            start = time.monotonic()
            failure = self.once(item)
            self.recording = False
            if failure is not None:
                self.baseline.save()
                pytest.exit(f"without a mutant {item.nodeid} fails: {failure}", 1)
            self.baseline.seconds[item.nodeid] = round(time.monotonic() - start, 3)
            self.baseline.calls[item.nodeid] = None if self.called is None else sorted(self.called)
        self.baseline.save()
        say(f"baseline: {len(items)} tests are green")

    def meet(self, mutant: Mutant, items: dict[str, pytest.Function]) -> Result:
        """Install it, read it back, and run what may notice, the nearest first."""
        from fixtures import server as fixtures

        print_ = fingerprint(mutant)
        try:
            fixtures.wanted = lambda: mutated(mutant)
            catalog = make_template(self.server.dsn, self.template, mutated(mutant))
        except Exception as error:
            return Result(mutant.name, print_, "invalid", None, str(error).splitlines()[0], [], 0)
        differs = differences(self.unmutated, catalog)
        if not differs and mutant.file != "00_schema.sql":  # the tests' clock covers the one function there
            return Result(mutant.name, print_, "invalid", None, "the catalog is as it was", [], 0)
        tried = 0
        for item in self.nearest(mutant, items):
            tried += 1
            failure = self.once(item)
            if failure is not None:
                return Result(mutant.name, print_, "caught", item.nodeid, failure[:300], differs, tried)
        return Result(mutant.name, print_, "survived", None, "", differs, tried)

    def nearest(self, mutant: Mutant, items: dict[str, pytest.Function]) -> list[pytest.Function]:
        """Tests that call the function first those that call little else; the one that caught it last time before all."""
        if mutant.kind == "regression":
            return [item for name, item in items.items() if belongs(mutant.subject, name)]
        function = mutant.subject.split("/")[0]
        if mutant.kind in ("trigger", "enable", "row"):
            function = ""
        before = expected().get(mutant.name, {}).get("caught_by") or hints().get(mutant.name, "")

        def rank(name: str) -> tuple[int, bool, bool, float]:
            calls = self.baseline.calls.get(name)
            close = _NEAR.get(mutant.kind, _OF_THE_GATE if mutant.file.startswith("20_gate/") else "$^")
            near = bool(re.search(close, name))
            last = ((before or "nothing") not in name) + (not name.split("[")[0].endswith(before.split("[")[0] or "nothing"))
            cost = len(calls or "x" * 40) + 20 * self.baseline.seconds.get(name, 0)
            return last, not near, function not in (calls or [function]), cost

        fit = []
        for name, item in items.items():
            calls = self.baseline.calls.get(name)
            if calls is None:
                fits = mutant.file.startswith("20_gate/")
            else:
                fits = not function or bool({function, *askers(function)} & set(calls))
                fits = fits or function in mentioned(Path(item.path).read_text(encoding="utf-8"))
            if fits:
                fit.append(name)
        return [items[n] for n in sorted(fit, key=rank)[:TRIES]]

    def once(self, item: pytest.Function) -> str | None:
        """Run one test: None when it passed, else why not."""
        item._initrequest()  # noqa: SLF001 - nor to run a test again
        with deadline(TEST_SECONDS):
            reports = runtestprotocol(item, nextitem=self.beyond, log=False)  # type: ignore[arg-type]
        for report in reports:
            if report.failed:
                crash = getattr(report.longrepr, "reprcrash", None)
                return " ".join((crash.message if crash else str(report.longrepr)).split()) or report.when
        return None


def sampled(found: Iterable[pytest.Function]) -> dict[str, pytest.Function]:
    """All tests but controls; of one that has many parameters, some that lie apart."""
    cases: dict[str, list[pytest.Function]] = {}
    for item in found:
        if not _CONTROL.search(item.nodeid):
            # what has no database of its own is quick; in a race each case is a meeting of others, and here a move of its own
            whole = "db" not in item.fixturenames or _WHOLE.search(item.nodeid)
            name = item.nodeid if whole else item.nodeid.split("[")[0]
            cases.setdefault(name, []).append(item)
    return {i.nodeid: i for group in cases.values() for i in group[:: -(-len(group) // CASES)]}


def chosen() -> list[Mutant]:
    """Those that MUTANTS names, a regular expression over their names; all without it."""
    pattern = re.compile(os.environ.get("MUTANTS", ""))
    return [m for m in derive() if pattern.search(m.name)]


def say(line: str) -> None:
    print(line, file=sys.__stdout__, flush=True)


@contextmanager
def deadline(seconds: int) -> Iterator[None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TooLong(f"the test did not end within {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
