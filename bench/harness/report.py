"""The document of one run: JSON, and a table to read beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.samples import OURS

RESULTS = Path(__file__).parent.parent / "results"
_NUMBERS = {name: {"type": "number"} for name in ("median", "min", "max")}
_TEXTS = {name: {"type": "string", "minLength": 1} for name in ("workload", "variant")}


def _rows(extra: dict[str, Any]) -> dict[str, Any]:
    properties = {**_TEXTS, **extra, **_NUMBERS}
    row = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"type": "array", "items": row}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "machine": {"type": "object", "required": ["cores", "system", "python", "commits_per_second"]},
        "versions": {"type": "object", "required": ["postgresql"]},
        "results": {
            **_rows({"system": {"type": "string"}, "unit": {"type": "string"}, "n": {"type": "integer", "minimum": 1}}),
            "minItems": 1,
        },
        "ratios": _rows({"ours_over": {"type": "string"}}),
        "failures": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["machine", "versions", "results", "ratios"],
    "additionalProperties": False,
}


def write(document: dict[str, Any], name: str, folder: Path = RESULTS) -> Path:
    """`<name>.json` and `<name>.md`; where the first is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    path.with_suffix(".md").write_text(table(document, name))
    return path


def again(document: dict[str, Any], name: str, folder: Path = RESULTS) -> dict[str, Any]:
    """The document that is there, with the numbers of what was measured again; its machine stays, as does all else.

    A ratio of which one side alone was measured again is left out: its two numbers are no longer of one round.
    """
    before: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    measured = {(row["workload"], row["variant"], row["system"]) for row in document["results"]}
    kept = [row for row in before["results"] if (row["workload"], row["variant"], row["system"]) not in measured]
    ratios = [
        row
        for row in before["ratios"]
        if not measured & {(row["workload"], row["variant"], OURS), (row["workload"], row["variant"], row["ours_over"])}
    ]
    failures = before["failures"] + document["failures"]
    return {**before, "results": kept + document["results"], "ratios": ratios + document["ratios"], "failures": failures}


def table(document: dict[str, Any], name: str) -> str:
    """Systems are columns; below each number its range, and how many times ours it is."""
    rows = document["results"]
    systems = list(dict.fromkeys(row["system"] for row in rows))
    over = {(r["workload"], r["variant"], r["ours_over"]): r for r in document["ratios"]}
    lines = [f"# {name}", "", *_preface(document), "", "| workload | variant | unit | " + " | ".join(systems) + " |"]
    lines.append("|" + "---|" * (3 + len(systems)))
    for workload, variant, unit in dict.fromkeys((r["workload"], r["variant"], r["unit"]) for r in rows):
        cells = []
        for system in systems:
            found = [r for r in rows if (r["workload"], r["variant"], r["unit"], r["system"]) == (workload, variant, unit, system)]
            cells.append(_cell(found[0], over.get((workload, variant, system))) if found else "")
        lines.append(f"| {workload} | {variant} | {unit} | " + " | ".join(cells) + " |")
    failures = [f"- {failure}" for failure in document.get("failures", [])]
    return "\n".join([*lines, *(["", "Not measured:", "", *failures] if failures else [])]) + "\n"


def _cell(row: dict[str, Any], ratio: dict[str, Any] | None) -> str:
    text = f"**{row['median']:,}** [{row['min']:,} .. {row['max']:,}]"
    return f"{text} ours is x {ratio['median']:.3g} [{ratio['min']:.3g} .. {ratio['max']:.3g}]" if ratio else text


def _preface(document: dict[str, Any]) -> list[str]:
    machine, versions = document["machine"], document["versions"]
    idle = f"; one after a quarter of a second of idleness takes {machine['idle_commit_ms']:g} ms" if "idle_commit_ms" in machine else ""
    return [
        f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}, "
        f"{machine['commits_per_second']:,} one-row commits a second on one connection{idle}.",
        "Median [min .. max]. " + ", ".join(f"{k} {v}" for k, v in versions.items() if isinstance(v, str)) + ".",
    ]
