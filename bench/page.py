"""Write the results into docs/performance.md, between its markers; with --check, only say whether they are there.

python bench/page.py [--check]
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from harness.report import RESULTS, table
from targets import TARGETS, Document

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def main() -> int:
    documents = {path.stem: json.loads(path.read_text()) for path in (RESULTS / "full.json", RESULTS / "long.json") if path.exists()}
    written = PAGE.read_text()
    page = _between(written, "targets", _targets(documents))
    for name, document in documents.items():
        page = _between(page, name, table(document, name).split("\n", 2)[2])
    if "--check" in sys.argv[1:]:
        if page != written:
            sys.stderr.write("docs/performance.md does not say what bench/results say: run bench/page.py\n")
        return page != written
    PAGE.write_text(page)
    return 0


def _targets(documents: dict[str, Document]) -> str:
    lines = ["| what | measured | must | goal | reached |", "|---|---|---|---|---|"]
    for target in TARGETS:
        numbers = [found for document in documents.values() if (found := target.of(document)) is not None]
        number = numbers[0] if numbers else None
        measured = "" if number is None else f"{number:.3g} {target.unit}".strip()
        bound = "at most " if target.most else ""
        lines.append(f"| {target.what} | {measured} | {bound}{target.must:g} | {bound}{target.goal:g} | {target.verdict(number)} |")
    return "\n".join(lines) + "\n"


def _between(page: str, name: str, text: str) -> str:
    found = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    if not found.search(page):
        raise SystemExit(f"docs/performance.md has no place for {name}")
    return found.sub(lambda m: f"{m[1]}\n{text.strip()}\n\n{m[2]}", page)


if __name__ == "__main__":
    sys.exit(main())
