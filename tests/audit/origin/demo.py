"""Ask the auditor the four questions of the incident, at its three stages, and hold its answers against EXPECTED.md.

python tests/audit/origin/demo.py      prints the answers with file and line; exit 1 where one differs from the hand-written one
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
STAGES = {1: "the engine alone", 2: "a trigger for failed and cancelled", 3: "a gate for every move"}
EFFECTS = ("sync", "audit", "telemetry")
QUESTIONS = {
    1: "Which SQL functions change the state?",
    2: "Which side effects of the Python layer does a direct call skip?",
    3: "Who else calls fail_run?",
    4: "Which records are right on every path?",
}

Row = tuple[str, ...]


def scan(stage: int) -> dict[str, Any]:
    """The auditor's JSON on the first files of the origin and its Python."""
    files = [f"sql/{f.name}" for f in sorted((HERE / "sql").glob("*.sql"))[:stage]]
    command = [sys.executable, "-m", "tollway.audit", "scan", *files, "--config", "tollway-audit.toml", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE)
    if not done.stdout:
        raise SystemExit(done.stderr)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def place(fact: dict[str, Any]) -> str:
    return f"{fact['file']}:{fact['line']}"


def changes(report: dict[str, Any]) -> list[Row]:
    """Question 1: function, place, verb, new state."""
    found = [w for w in report["writes"] if w["effect"] != "other"]
    return [(w["routine"].partition(".")[2], place(w), w["verb"], " or ".join(w["state_values"])) for w in found]


def skipped(report: dict[str, Any]) -> list[Row]:
    """Question 2: function, and for each effect the place where Python, and only Python, has it."""
    rows: dict[str, dict[str, str]] = {}
    for verdict in report["verdicts"]:
        if verdict["status"] == "python only":
            name = verdict["write"]["routine"].partition(".")[2]
            rows.setdefault(name, {})[verdict["effect"]] = place(verdict["proof"][-1])
    return [(name, *(found.get(effect, "") for effect in EFFECTS)) for name, found in rows.items()]


def callers(report: dict[str, Any], function: str) -> list[Row]:
    """Question 3: caller, place."""
    found = [(c["from_id"].partition("/")[0], place(c)) for c in report["calls"] if c["to"] == function]
    return sorted(dict.fromkeys(found))


def verdicts(report: dict[str, Any], stage: int) -> list[Row]:
    """Question 4: function, place, stage, and one status an effect."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for verdict in report["verdicts"]:
        key = (verdict["write"]["routine"].partition(".")[2], place(verdict["write"]))
        rows.setdefault(key, {})[verdict["effect"]] = verdict["status"]
    return [(*key, str(stage), *(found.get(effect, "not required") for effect in EFFECTS)) for key, found in rows.items()]


def expected() -> dict[int, list[Row]]:
    """The tables of EXPECTED.md, by the number of their question."""
    tables: dict[int, list[Row]] = {}
    number = 0
    for line in (HERE / "EXPECTED.md").read_text("utf-8").splitlines():
        if line.startswith("## "):
            number = int(line[3])
            tables[number] = []
        elif number and line.startswith("| ") and not line.startswith(("| function |", "| caller |")):
            tables[number].append(tuple(cell.strip() for cell in line.strip("|").split("|")))
    return tables


def answers() -> dict[int, list[Row]]:
    """What the auditor says. The first three questions are about the engine as the incident found it."""
    reports = {stage: scan(stage) for stage in STAGES}
    return {
        1: changes(reports[1]),
        2: skipped(reports[1]),
        3: callers(reports[1], "engine.fail_run"),
        4: [row for stage in STAGES for row in verdicts(reports[stage], stage)],
    }


def differences(told: dict[int, list[Row]], found: dict[int, list[Row]]) -> list[str]:
    """Every row that only one of the two has."""
    lines = []
    for number in QUESTIONS:
        lines += [f"question {number}: the auditor misses  {'  '.join(row)}" for row in told[number] if row not in found[number]]
        lines += [f"question {number}: only the auditor has  {'  '.join(row)}" for row in found[number] if row not in told[number]]
    return lines


def print_rows(rows: list[Row]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main() -> int:
    found = answers()
    for number, question in QUESTIONS.items():
        print(f"{number}. {question}")
        if number < 4:
            print_rows(found[number])
        for stage, name in STAGES.items() if number == 4 else ():
            print(f" stage {stage}: {name}  ({', '.join(EFFECTS)})")
            print_rows([(*row[:2], *row[3:]) for row in found[4] if row[2] == str(stage)])
        print()
    wrong = differences(expected(), found)
    print("\n".join(wrong) or "Every answer is the one that was written by hand (EXPECTED.md).")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
