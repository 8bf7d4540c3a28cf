"""How many schedules the interleaver ran is printed beside the result: that nothing was found says little without it."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--races", default="short", choices=["short", "full"], help="how many schedules the interleaver runs")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "teardown" or isinstance(report, pytest.TestReport)
        for name, value in report.user_properties
        if name == "races"
    ]
    if counts:
        schedules, blocked, serial = (sum(column) for column in zip(*counts, strict=True))
        terminalreporter.write_line(
            f"interleaver: {schedules} schedules, in {blocked} of them a session waited for another; compared with {serial} serial orders"
        )
