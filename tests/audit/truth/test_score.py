"""The auditor against published schemas that a person has read: what a tool finds must be what is there."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import audit_score as score
import pytest

HERE = Path(__file__).parent
TRUTHS = sorted(HERE.glob("*.json"))
BLIND = sorted(HERE.glob("blind/*/truth.json"))


def measures_of(truth: dict[str, Any]) -> list[Any]:
    try:
        found: list[Any] = score.measure(truth)
    except score.Unreachable as error:
        pytest.skip(str(error))
    return found


@pytest.mark.parametrize("file", TRUTHS, ids=lambda f: f.stem)
def test_precision_and_recall_hold_their_limits(file: Path) -> None:
    measures = measures_of(json.loads(file.read_text("utf-8")))

    assert score.below(measures) == []
    assert measures[0].expected > 10


@pytest.mark.parametrize("file", BLIND, ids=lambda f: f.parent.name)
def test_schemas_that_nobody_tuned_it_for_hold_the_same_limits(file: Path) -> None:
    measures = score.measure_blind(file.parent)

    assert score.below(measures) == []
    assert all(m.expected for m in measures)


def test_the_blind_measure_notices_a_wrong_line_call_and_verdict(tmp_path: Path) -> None:
    shutil.copytree(HERE / "blind" / "ledger", tmp_path / "ledger")
    file = tmp_path / "ledger" / "truth.json"
    told = json.loads(file.read_text("utf-8"))
    state = [w for w in told["writes"] if w["effect"] == "state"]
    state[0]["line"] += 1
    state[1]["verdicts"]["journal"] = "missing"
    told["calls"][0]["to"] = "ledger.note/3"
    file.write_text(json.dumps(told), "utf-8")
    text = "\n".join(score.below(score.measure_blind(tmp_path / "ledger")))

    assert "state writes: recall" in text
    assert "calls: recall" in text
    assert "verdicts: recall" in text


def test_the_measure_notices_what_is_missed_and_what_is_wrong() -> None:
    truth = json.loads((HERE / "absurdctl-0.5.1.json").read_text("utf-8"))
    told = copy.deepcopy(truth)
    told["state_writes"][0]["relation"] = "absurd.x_*"
    told["calls"] = [c for c in told["calls"] if not c["to"].startswith("absurd.current_time")]
    failed = score.below(measures_of(told))

    assert any(line.startswith("state writes: recall") and "absurd.x_*" in line for line in failed)
    assert any(line.startswith("calls: precision") and "absurd.current_time" in line for line in failed)
