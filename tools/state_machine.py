"""Draw absurd.transition into ARCHITECTURE.md; with --check, only say whether the picture is up to date."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tollway" / "sql" / "20_gate" / "10_transitions.sql"
PAGE = ROOT / "ARCHITECTURE.md"
ROW = re.compile(r"^\s*\('(\w+)',\s*'(\w+)',\s*'([\w.]+)',\s*'([^']*)'\)", re.MULTILINE)
BEGIN = "<!-- generated from src/tollway/sql/20_gate/10_transitions.sql by tools/state_machine.py -->\n"
END = "<!-- end of generated -->"


def transitions() -> list[tuple[str, str, str, str]]:
    """(from, to, event, who), in the file's order."""
    return ROW.findall(SOURCE.read_text())


def picture() -> str:
    """A mermaid state diagram: one arrow for each pair of states, with its events."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for source, target, event, _ in transitions():
        arrows.setdefault((source, target), []).append(event)
    names = {"new": "[*]", "purged": "[*]"}
    lines = [f"    {names.get(a, a)} --> {names.get(b, b)}: {', '.join(events)}" for (a, b), events in arrows.items()]
    return "```mermaid\nstateDiagram-v2\n" + "\n".join(lines) + "\n```\n"


def page() -> str:
    """ARCHITECTURE.md with the picture in its place."""
    text = PAGE.read_text()
    before, rest = text.split(BEGIN, 1)
    return before + BEGIN + picture() + END + rest.split(END, 1)[1]


def main() -> int:
    wanted = page()
    if "--check" in sys.argv:
        if PAGE.read_text() == wanted:
            return 0
        print(f"{PAGE.name} is not what tools/state_machine.py draws: run it")
        return 1
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
