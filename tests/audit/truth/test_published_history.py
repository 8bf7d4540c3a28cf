"""pgflow's migrations, scanned up to an older one: the auditor names what a later migration of theirs mends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import audit_score as score
import pytest

MIGRATIONS = Path("package/dist/supabase/migrations")
Told = set[tuple[str, str, int]]


@pytest.fixture(scope="module")
def up_to(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], dict[str, Any]]:
    """up_to(n): the report over the first n migrations."""
    folder = tmp_path_factory.mktemp("pgflow")
    truth = json.loads((Path(__file__).parent / "pgflow-core-0.8.1.json").read_text("utf-8"))
    try:
        score.extract(truth["package"], folder)
    except score.Unreachable as error:
        pytest.skip(str(error))
    files = [str(file.relative_to(folder)) for file in sorted((folder / MIGRATIONS).glob("*.sql"))]

    def run(count: int) -> dict[str, Any]:
        report: dict[str, Any] = score.scan(truth, files[:count], [], folder)
        return report

    return run


def never_run(report: dict[str, Any]) -> Told:
    sent = [f for f in report["findings"] if f["id"] == "BP009" and "realtime.send()" in f["message"]]
    return {(f["message"].split("/")[0], Path(f["file"]).name[:8], f["line"]) for f in sent}


def untold(report: dict[str, Any]) -> Told:
    lost = [v["write"] for v in report["verdicts"] if (v["effect"], v["status"]) == ("broadcast", "missing")]
    return {(w["routine"], Path(w["file"]).name[:8], w["line"]) for w in lost}


def test_an_event_in_a_cte_that_never_runs(up_to: Callable[[int], dict[str, Any]]) -> None:
    """The sixth migration is called fix_fail_task_missing_realtime_event."""
    assert never_run(up_to(5)) == {("pgflow.start_ready_steps", "20250614", 89), ("pgflow.fail_task", "20250614", 314)}
    assert never_run(up_to(6)) == {("pgflow.start_ready_steps", "20250614", 89)}


def test_a_failure_without_an_event(up_to: Callable[[int], dict[str, Any]]) -> None:
    assert untold(up_to(10)) == {("pgflow.complete_task", "20251006", 435), ("pgflow.complete_task", "20251006", 465)}
    assert untold(up_to(11)) == set()


def test_nothing_is_lost_at_the_end_but_three_locks(up_to: Callable[[int], dict[str, Any]]) -> None:
    report = up_to(12)
    locks = {(f["message"].split("/")[0], f["line"]) for f in report["findings"] if "locks nothing" in f["message"]}

    assert never_run(report) == untold(report) == set()
    assert locks == {("pgflow.fail_task", 710), ("pgflow.fail_task", 716), ("pgflow.complete_task", 493)}
