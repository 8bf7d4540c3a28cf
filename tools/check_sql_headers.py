"""Every public SQL function opens with its contract, from which the reference is made; a missing field fails."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
API = ROOT / "src" / "tollway" / "sql" / "40_api"
FIELDS = ("Called by", "Locks", "Moves", "Raises", "Retry")


def problems(name: str, text: str) -> list[str]:
    """What is wrong with the header of the file that defines function `name`."""
    header = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        header.append(line)
    found = []
    if not header or not re.match(rf"-- {re.escape(name)}: \S", header[0]):
        found.append(f"the first line is not `-- {name}: what it does`")
    positions = []
    for field in FIELDS:
        lines = [i for i, line in enumerate(header) if re.match(rf"-- {field}\s+\S", line)]
        if len(lines) != 1:
            found.append(f"the header has field `{field}` {len(lines)} times")
        positions += lines
    if positions != sorted(positions):
        found.append(f"the fields are not in order: {', '.join(FIELDS)}")
    if not re.search(rf"^create or replace function absurd\.{re.escape(name)}\(", text, re.MULTILINE):
        found.append(f"the file does not define absurd.{name}")
    return found


def main() -> int:
    failed = False
    for path in sorted(API.glob("*.sql")):
        for problem in problems(path.stem, path.read_text()):
            sys.stderr.write(f"{path.relative_to(ROOT)}: {problem}\n")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
