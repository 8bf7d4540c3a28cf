"""docs/audit/scan.md: its configurations are read, its comment is a suppression, its commands are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from tollway.audit.cli.app import app
from tollway.audit.config import read_config
from tollway.audit.load.code import Source
from tollway.audit.model import Status, Suppression
from tollway.audit.suppress.comments import comments

PAGE = (Path(__file__).parents[3] / "docs" / "audit" / "scan.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", [text for language, text in BLOCKS if language == "toml"])
def test_each_configuration_is_read(tmp_path, text):
    (tmp_path / "c.toml").write_text(text)
    found = read_config(tmp_path / "c.toml")

    assert found.require or found.suppress


def test_the_comment_is_a_suppression_of_the_line_below_it():
    (text,) = [text for _, text in BLOCKS if "tollway: ignore" in text]
    (found,) = comments([Source("a.sql", text)])

    assert isinstance(found, Suppression)
    assert (found.rules, found.owner, found.line) == (("BP001",), "billing", 2)


def test_each_command_and_option_is_there():
    commands = typer.main.get_command(app).commands
    typed = re.findall(r"^tollway audit (\w+)(.*)$", PAGE, re.MULTILINE)

    assert len(typed) > 6
    for name, rest in typed:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest.partition("#")[0].partition(" | ")[0])) <= known


def test_each_verdict_that_the_page_explains_is_one():
    explained = re.findall(r"^\| ([a-z ]+) \|", PAGE.partition("## Verdicts")[2].partition("\n## ")[0], re.MULTILINE)

    assert set(explained) - {"verdict"} <= set(Status.__args__)
    assert len(explained) > 8
