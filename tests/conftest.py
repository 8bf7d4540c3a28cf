"""Fixtures by family, the server's version in the header, and every skip accounted for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["fixtures.server", "fixtures.database", "fixtures.distribution", "fixtures.node", "races.report"]

ALLOWED_SKIPS = Path(__file__).parent / "allowed_skips.txt"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pg", default="18", choices=["16", "18"], help="the embedded PostgreSQL's version")


def pytest_report_header(config: pytest.Config) -> str:
    return f"PostgreSQL {config.getoption('--pg')} (embedded)"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.stats.get("skipped", []):
        terminalreporter.write_line(f"skipped: {report.nodeid}: {report.longrepr[2] if report.longrepr else ''}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a skip that is not on the list is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get("CI") or exitstatus:
        return
    allowed = {line.split("#")[0].strip() for line in ALLOWED_SKIPS.read_text().splitlines()} - {""}
    unlisted = [r.nodeid for r in reporter.stats.get("skipped", []) if r.nodeid.split("[")[0] not in allowed]
    if unlisted:
        reporter.write_line(f"skips that are not in {ALLOWED_SKIPS.name}: {unlisted}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
