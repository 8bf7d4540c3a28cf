"""The pages, and the fenced blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"((?:^<!-- [a-z]+: .*? -->\n)*)^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- ([a-z]+): (.*?) -->")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str]

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, found.start(2)) + 1, found[2], found[3], dict(MARK.findall(found[1])))
        for found in FENCE.finditer(text)
    ]


def written_pages() -> list[Path]:
    """The pages that people write, and whose code these tests run. Generated ones, and the one with its own tests, are not."""
    folders = ("tutorial", "howto", "explain")
    return [page for folder in folders for page in sorted((DOCS / folder).glob("*.md")) if page.name != "testing.md"]
