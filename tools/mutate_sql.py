"""Take every mechanism out of the engine's SQL, one at a time, and name the test that notices.

    python tools/mutate_sql.py --list                       what there is to take out
    MUTANTS='^lock ' python tools/mutate_sql.py             run some: a regular expression over the names; all without it
    python tools/mutate_sql.py --worker                     the same for the regressions of the worker, which is Python
    MUTANTS='^lock _lock_run 1$' python tools/mutate_sql.py --into FOLDER     write that SQL; then TOLLWAY_TEST_SQL=FOLDER pytest ...
    python tools/mutate_sql.py --write                      keep the results in tests/mutants/expected.json

The run is resumed where it stopped: what was caught is in .mutants and is not run again until its SQL changes (MUTANTS_AGAIN=1
runs it again). What survived is.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from mutants.derive import SQL_DIR, derive
from mutants.place import fingerprint
from mutants.store import EXPECTED, ROOT, expected, results

from mutants import python

TESTS = ("tests/races", "tests/regressions", "tests/sql", "tests/matrix/test_writes.py")
# what asks for the path in the log, signatures, grants, plans, jobs of cron and verify() itself: no mutant is about those
NOT = ("test_gate_via_translated*", "test_fn_surface*", "test_gate_roles*", "test_plans*", "test_cron*", "test_partitions*",
       "test_fn_views*", "test_verify_invariants*", "test_fn_queues*")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--list", action="store_true", help="name every mutant and what it takes out")
    parser.add_argument("--write", action="store_true", help="keep the results in tests/mutants/expected.json")
    parser.add_argument("tests", nargs="*", default=TESTS, help="the tests that are to notice; default: %(default)s")
    parser.add_argument("--into", metavar="FOLDER", help="only write the SQL of the one mutant that MUTANTS names, for $TOLLWAY_TEST_SQL")
    parser.add_argument("--worker", action="store_true", help="take out of the worker what the table of regressions says")
    options = parser.parse_args()
    if options.into:
        return into(Path(options.into))
    if options.worker:
        return 1 if python.run() else 0
    if options.list:
        for mutant in derive():
            print(f"{mutant.name:44} {mutant.file}: {mutant.shown}")
        return 0
    if options.write:
        return write()
    return run(options.tests)


def into(folder: Path) -> int:
    """Copy the SQL with the mutant in it, so that any test can be run against it: TOLLWAY_TEST_SQL=FOLDER pytest ..."""
    (mutant,) = (m for m in derive() if re.search(os.environ.get("MUTANTS", ""), m.name))
    shutil.copytree(SQL_DIR, folder, dirs_exist_ok=True)
    file = folder / mutant.file
    file.write_text(mutant.apply(file.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{mutant.name}: {mutant.file} without {mutant.shown}")
    return 0


def run(tests: list[str]) -> int:
    """One pytest process for all of them: the server starts once."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-m", "pytest", "-p", "mutants.session", "-p", "no:cacheprovider", "-n", "0"]
    command += [*(f"--ignore-glob=*/{n}" for n in NOT), *tests]
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    return code or report()


def report() -> int:
    """Count them; fail when one survived that tests/mutants/expected.json does not explain."""
    names, kept = {m.name for m in derive()}, expected()
    known = {name: r for name, r in results().items() if name in names}
    unexplained = [r for r in known.values() if r.outcome != "caught" and "equivalent" not in kept.get(r.name, {})]
    outcomes = [r.outcome for r in known.values()]
    print({outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))})
    for result in unexplained:
        print(f"unexplained: {result.outcome} {result.name} {result.message}")
    return 1 if unexplained else 0


def write() -> int:
    """Of each mutant what it takes out and the test that catches it; a written reason stays while nothing catches it."""
    known, kept, entries = results(), expected(), {}
    for mutant in derive():
        result, old = known.get(mutant.name), kept.get(mutant.name, {})
        entry = {"takes_out": mutant.shown}
        if result and result.fingerprint == fingerprint(mutant) and result.outcome == "caught":
            entry["caught_by"] = str(result.test)
        elif old.get("takes_out") == mutant.shown and ("caught_by" in old or "equivalent" in old):  # the number may be another's now
            entry |= {k: v for k, v in old.items() if k != "takes_out"}
        elif result and result.fingerprint == fingerprint(mutant):
            entry["survived"] = f"the nearest {result.tried} tests"
        else:
            entry["open"] = "not run yet"
        entries[mutant.name] = entry
    EXPECTED.parent.mkdir(exist_ok=True)
    EXPECTED.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{EXPECTED.relative_to(ROOT)}: {len(entries)} mutants")
    return 0


if __name__ == "__main__":
    sys.exit(main())
