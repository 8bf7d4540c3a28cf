"""Each block of code on a page is tested: Python is an excerpt of a file whose test runs it, SQL is run, commands exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from docs.pages import ROOT, Block, blocks_of, written_pages
from tollway.cli.app import app

PAGES = written_pages()
TESTED = ("python", "sql", "console", "bash", "ini", "text", "mermaid")
COMMAND = re.compile(r"(?<!from)(?:^|[`/ ])tollway ([a-z]+)(?: ([a-z]+))?((?: --[a-z-]+)*)", re.MULTILINE)


def blocks(language: str) -> list[Any]:
    found = [block for page in PAGES for block in blocks_of(page) if block.language == language]
    return [pytest.param(block, id=block.place) for block in found]


def test_there_are_pages_and_every_block_is_of_a_kind_that_is_tested() -> None:
    assert len(PAGES) > 5
    for page in PAGES:
        fences = len(re.findall("^```", page.read_text(), re.MULTILINE))
        assert fences == 2 * len(blocks_of(page)), f"{page}: a block was not read"
        for block in blocks_of(page):
            assert block.language in TESTED, block.place


@pytest.mark.parametrize("block", blocks("python"))
def test_python_is_an_excerpt_of_an_example(block: Block) -> None:
    assert "from" in block.marks, f"{block.place}: put <!-- from: examples/... --> before it"
    path = ROOT / block.marks["from"]
    assert path.is_relative_to(ROOT / "examples")
    assert f"\n{block.text}" in f"\n{path.read_text()}", f"{block.place} is not what {block.marks['from']} says"
    used = "\n".join(test.read_text() for test in (*(ROOT / "tests" / "examples").glob("*.py"), *(ROOT / "tests" / "docs").glob("*.py")))
    assert f'"{path.parent.name}"' in used, f"no test runs {block.marks['from']}"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.language == "sql" for block in blocks_of(page))], ids=lambda p: p.name
)
def test_sql_runs(page: Path, tollway_db: Any) -> None:
    tollway_db.conn.execute("select absurd.create_queue('default')")
    roles = re.findall(r"create role (\w+)", page.read_text())
    try:
        for block in blocks_of(page):
            if block.language == "sql":
                for statement in filter(str.strip, block.text.split(";\n")):
                    tollway_db.conn.execute(statement)
    finally:
        for role in roles:  # of the whole server
            tollway_db.conn.execute(f"drop role if exists {role}")
    assert tollway_db.verify() == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "docs" / "reference" / "errors.md"], ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    root: Any = typer.main.get_command(app)
    for noun, verb, options in COMMAND.findall(page.read_text()):
        assert noun in root.commands, f"{page.name}: tollway {noun}"
        command = root.commands[noun]
        if hasattr(command, "commands") and verb:
            assert verb in command.commands, f"{page.name}: tollway {noun} {verb}"
            command = command.commands[verb]
        known = {name for parameter in command.params for name in parameter.opts}
        assert set(options.split()) <= known, f"{page.name}: tollway {noun} {verb} {options}"
