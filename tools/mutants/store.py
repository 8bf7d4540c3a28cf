"""What is known so far, in .mutants: the baseline, and one line for each mutant that was tried."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".mutants"
EXPECTED = ROOT / "tests" / "mutants" / "expected.json"


@dataclass(slots=True)
class Baseline:
    """Of each test that passed without a mutant: how long it took, and which functions it called (None: not known)."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, list[str] | None] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Baseline:
        path = FOLDER / "baseline.json"
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def save(self) -> None:
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / "baseline.json").write_text(json.dumps(asdict(self)))


@dataclass(frozen=True, slots=True)
class Result:
    """`outcome` is caught, survived or invalid; `differs` is what the catalog has otherwise than the release."""

    name: str
    fingerprint: str
    outcome: str
    test: str | None
    message: str
    differs: list[str]
    tried: int


def results() -> dict[str, Result]:
    """The last result of each mutant; what was caught stays so until its text changes."""
    path = FOLDER / "results.jsonl"
    found: dict[str, Result] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        result = Result(**json.loads(line))
        before = found.get(result.name)
        if not (before and before.outcome == "caught" and before.fingerprint == result.fingerprint):
            found[result.name] = result
    return found


def add(result: Result) -> None:
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "results.jsonl").open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def expected() -> dict[str, dict[str, str]]:
    """The kept file: of each mutant what it takes out, and the test that catches it or the reason why none can."""
    return json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}


def hints() -> dict[str, str]:
    """Tests to begin with, for mutants that nothing is kept for yet: .mutants/hints.json, by hand."""
    path = FOLDER / "hints.json"
    return json.loads(path.read_text()) if path.exists() else {}
