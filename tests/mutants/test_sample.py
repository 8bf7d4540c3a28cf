"""Three of the mutants, really made: the test that is said to catch each fails, in a run against that SQL. `make mutants` makes all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mutants.store import expected

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ["lock _lock_run 1", "trigger task.zzz_gate_project_update", "epoch set_task_checkpoint_state 1"]


@pytest.mark.parametrize("name", SAMPLE)
def test_a_mutant_is_caught_by_the_test_that_is_kept_for_it(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    test = expected()[name]["caught_by"]
    version = request.config.getoption("--pg")
    environment = os.environ | {"MUTANTS": f"^{re.escape(name)}$", "TOLLWAY_TEST_SQL": str(tmp_path)}
    environment = {k: v for k, v in environment.items() if not k.startswith("PYTEST_")}
    subprocess.run([sys.executable, "tools/mutate_sql.py", "--into", str(tmp_path)], cwd=ROOT, env=environment, check=True)

    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "--pg", version, test]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 1, done.stdout
    assert f"FAILED {test.split('[')[0]}" in done.stdout
