"""absurd's published SQL, scanned and drawn by the public commands as anybody would: the path that this project began with is there."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import audit_score as score
import pytest

from tollway.audit.commands import main

CONFIG = 'state = ["absurd.r_*.state", "absurd.t_*.state"]\n'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """run(command, *arguments): the JSON of a command over the SQL of the wheel."""
    folder = tmp_path_factory.mktemp("absurd")
    try:
        schema = score.unpack(truth(), folder)
    except score.Unreachable as error:
        pytest.skip(str(error))
    (folder / "audit.toml").write_text(CONFIG, "utf-8")

    def run(command: str, *arguments: str) -> Any:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            main([command, str(schema), "--config", str(folder / "audit.toml"), "--format", "json", *arguments])
        return json.loads(printed.getvalue())

    return run


def truth() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((Path(__file__).parent / "absurdctl-0.5.1.json").read_text("utf-8"))
    return told


def test_claim_task_fails_runs_by_the_way(run: Callable[..., Any]) -> None:
    calls = [(c["from_id"], c["to_id"], c["line"]) for c in run("scan", "--no-cache")["calls"]]

    assert [c for c in calls if c[1].startswith("absurd.fail_run/")] == [("absurd.claim_task/4", "absurd.fail_run/4", 1002)]


def test_the_path_from_claim_task_through_fail_run_to_the_state_is_drawn(run: Callable[..., Any]) -> None:
    graph = run("graph", "--to", "absurd.r_*.state")
    lines = {(e["from"], e["to"]): e["line"] for e in graph["edges"] if e["kind"] == "direct"}

    assert {tuple(p) for p in graph["paths"] if "absurd.fail_run/4" in p} == {
        ("absurd.claim_task/4", "absurd.fail_run/4", "absurd.r_*.state")
    }
    assert lines["absurd.claim_task/4", "absurd.fail_run/4"] == 1002


def test_every_statement_that_changes_a_state_is_told_with_function_line_table_and_columns(run: Callable[..., Any]) -> None:
    told = {(w["function"], w["line"], w["verb"], w["relation"], tuple(w["columns"])) for w in truth()["state_writes"]}
    found = {
        (w["routine_id"], w["line"], w["verb"], w["relation"], () if w["verb"] == "delete" else tuple(w["state_columns"]))
        for w in run("scan", "--no-cache")["writes"]
        if w["effect"] != "other" and w["verb"] not in {"drop", "detach"}
    }

    assert found == told
