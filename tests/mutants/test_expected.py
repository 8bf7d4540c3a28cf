"""Every lock, gate function, trigger, move and epoch check of the SQL has a test that is known to fail without it (`make mutants`)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from mutants.derive import Mutant, derive
from mutants.store import expected

ROOT = Path(__file__).resolve().parents[2]
# for these no survivor may be without a reason; of guards, cases and conditions the kept file lists those that survived
STRICT = {"trigger", "enable", "row", "empty", "lock", "skip", "epoch", "regression"}


@pytest.fixture(scope="module")
def mutants() -> dict[str, Mutant]:
    return {m.name: m for m in derive()}


def test_the_kept_file_has_every_mutant_of_the_sql_and_no_other(mutants: dict[str, Mutant]) -> None:
    """After a change of the SQL: `make mutants`, then `python tools/mutate_sql.py --write`."""
    kept = {name: entry["takes_out"] for name, entry in expected().items()}

    assert kept == {name: mutant.shown for name, mutant in mutants.items()}


def test_each_is_caught_by_a_test_that_is_there_or_has_a_reason() -> None:
    there: dict[str, set[str]] = {}
    unexplained = []
    for name, entry in expected().items():
        if "caught_by" in entry:
            path, _, test = entry["caught_by"].partition("::")
            if path not in there:
                tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
                there[path] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert test.split("[")[0] in there[path], f"{name}: {entry['caught_by']}"
        elif len(entry.get("equivalent", "")) < 30 and name.split()[0] in STRICT:
            unexplained.append(name)

    assert unexplained == []


def test_nothing_is_missing_among_the_kinds(mutants: dict[str, Mutant]) -> None:
    """Counted in the text in another way than they are derived."""
    code = [
        path.read_text(encoding="utf-8")
        for folder in ("20_gate", "30_internal", "40_api")
        for path in (ROOT / "src/tollway/sql" / folder).iterdir()
    ]
    # a statement that is built as a text is no place that is derived
    lines = [line.split("--")[0] for text in code for line in text.splitlines() if "execute format('" not in line]
    count = {kind: sum(m.kind == kind for m in mutants.values()) for kind in STRICT}

    assert count["skip"] == sum(line.count("skip locked") for line in lines)
    assert count["lock"] == sum(
        line.count(w) for line in lines for w in ("for update", "for no key update", "for share", "for key share", "lock table")
    )
    assert count["trigger"] == count["enable"] == sum(line.count("replace trigger zzz_") for line in lines)
    assert count["row"] == sum(line.startswith("   ('") for line in lines)
