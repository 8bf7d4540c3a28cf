"""The bench runs, writes what its schema says, and takes no number from a run that did not do its work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

BENCH = Path(__file__).parents[2] / "bench"
CHECKED = """
import sys, json
sys.path.insert(0, {bench!r})
from harness import report
print(json.dumps(report.SCHEMA))
"""


def run(folder: Path, *arguments: str, broken: str = "pass") -> subprocess.CompletedProcess[str]:
    """The driver in a process of its own, as `make` runs it; `broken` is code that runs before."""
    code = f"import sys; sys.path.insert(0, {str(BENCH)!r}); import run; {broken}; sys.exit(run.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *arguments, "--systems", "tollway", "--rounds", "1", "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def schema() -> dict[str, object]:
    code = CHECKED.format(bench=str(BENCH))
    return dict(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout))


def test_a_trial_writes_what_the_schema_says(tmp_path: Path, schema: dict[str, object]) -> None:
    done = run(tmp_path, "quick", "--scale", "0.002")

    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "quick.json").read_text())
    jsonschema.validate(document, schema)
    assert {row["workload"] for row in document["results"]} >= {"noop", "steps"}
    assert all(row["min"] > 0 for row in document["results"])
    assert "tollway" in (tmp_path / "quick.md").read_text()

    done = run(tmp_path, "quick", "--scale", "0.002", "--only", "noop", "--again")

    assert done.returncode == 0, done.stderr
    twice = json.loads((tmp_path / "quick.json").read_text())
    jsonschema.validate(twice, schema)
    assert twice["machine"] == document["machine"]
    numbers = [{row["workload"]: row["median"] for row in d["results"]} for d in (document, twice)]
    assert [name for name in numbers[0] if numbers[0][name] != numbers[1].get(name)] == ["noop"]


def test_a_wrong_count_is_a_failure(tmp_path: Path) -> None:
    """Positive control: a system that says it did one task more than it did gives no number."""
    more = "from systems.tollway import SYSTEM; SYSTEM.checkpoints = SYSTEM.checkpoints.replace('count(*)', 'count(*) + 1')"

    done = run(tmp_path, "quick", "--scale", "0.002", broken=more)

    assert done.returncode == 1
    document = json.loads((tmp_path / "quick.json").read_text())
    assert {row["workload"] for row in document["results"]} == {"noop"}
    assert ["steps recorded" in failure for failure in document["failures"]] == [True]
