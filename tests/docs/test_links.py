"""Every relative link of every page leads somewhere, and the index knows every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.pages import DOCS, ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INDEXED = ("tutorial", "howto", "explain", "reference")


def heading_ids(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, fragment = link.partition("#")
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), f"{page.name} links to {link}"
        assert found.is_relative_to(ROOT), f"{page.name} links to {link}, outside of the project"
        if fragment:
            assert fragment in heading_ids(found), f"{page.name} links to {link}: no such heading"


def test_the_index_lists_every_page() -> None:
    index = (DOCS / "README.md").read_text()
    pages = [page.relative_to(DOCS) for folder in INDEXED for page in (DOCS / folder).glob("*.md")]
    missing = [str(page) for page in pages if f"({page})" not in index]
    assert missing == []
