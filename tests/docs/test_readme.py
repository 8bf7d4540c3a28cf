"""The README's example is saved and run, and its commands are typed in as they stand."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer

from docs.pages import DOCS, ROOT, blocks_of
from docs.test_code_blocks import COMMAND
from docs.test_tutorial import PATIENCE, UUID, Terminals, commands, terminals
from tollway.cli.app import app

__all__ = ["terminals"]
README = ROOT / "README.md"


def test_the_example_does_what_the_readme_says(terminals: Terminals) -> None:
    example, typed, made = blocks_of(README)
    (terminals.folder / "orders.py").write_text(example.text)
    first, start, *others = commands(typed)
    assert first.split("#")[0].split() == ["tollway", "dev", "orders"]
    terminals.open(first.split("#")[0].split())
    follow = subprocess.Popen(
        ["bash", "-c", start], cwd=terminals.folder, env=terminals.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert follow.stdout is not None
    task = UUID.search(follow.stdout.readline())
    assert task, "the first line printed is the id"

    printed = {}
    for command in others:
        script = command.replace("<id>", task[0])
        if "verify" in command:
            out, err = follow.communicate(timeout=PATIENCE)
            assert follow.returncode == 0, err
            assert '"approved_by": "ada"' in out
        done = subprocess.run(
            ["bash", "-c", script], cwd=terminals.folder, env=terminals.env, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        printed[command.split("#")[0].split()[1]] = done.stdout

    assert "fulfil" in printed["explain"]
    assert "task.spawned" in printed["task"]
    assert [re.split(r"\s", command)[:2] for command in commands(made)] == [["make", "demo"], ["make", "test"]]


def test_the_commands_in_its_text_exist() -> None:
    root = typer.main.get_command(app)
    found = COMMAND.findall(README.read_text())
    assert len(found) > 6
    for noun, *_ in found:
        assert noun in root.commands, noun  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", [README, *DOCS.rglob("*.md")], ids=lambda page: page.name)
def test_what_is_to_be_installed_can_be(page: Path) -> None:
    """An extra that does not exist is only warned of by pip."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for named in re.findall(r"pip install[^`\n]*?\[([a-z,]+)\]", page.read_text()):
        assert set(named.split(",")) <= set(extras), f"{page.name}: {named}"


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"(?:`|\$ )make ([a-z][a-z0-9-]+)", README.read_text() + (ROOT / "CONTRIBUTING.md").read_text())))
)
def test_each_make_target_exists(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text()

    assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
