"""The recipes for CI: their YAML says what it should, and their commands do it, on the tutorial's shop."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from docs.pages import DOCS, ROOT, blocks_of
from docs.plain_yaml import load

BLOCKS = blocks_of(DOCS / "audit" / "ci.md")
RECIPES = {block.marks["file"]: block.text for block in BLOCKS if block.language == "yaml"}
PARSED = {file: load(text) for file, text in RECIPES.items()}


def scans(node: Any) -> list[str]:
    """The commands that a recipe runs, wherever they stand in it."""
    if isinstance(node, str):
        return [node] if node.startswith("tollway audit scan") else []
    return [command for part in (node.values() if isinstance(node, dict) else node or ()) for command in scans(part)]


COMMANDS = [(file, command) for file, parsed in PARSED.items() for command in scans(parsed)]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The shop with a configuration and a baseline; a new way past the log came after it."""
    shutil.copytree(ROOT / "examples" / "audit_shop", tmp_path, dirs_exist_ok=True)
    assert run(tmp_path, "tollway audit init schema.sql --python app")[0] == 0
    assert run(tmp_path, "tollway audit baseline")[0] == 0
    return tmp_path


def add_a_bypass(shop: Path) -> None:
    new = """
        create function shop.lose(p_id bigint) returns void language sql as $$
          update shop.orders set status = 'cancelled' where id = p_id;
        $$;"""
    with (shop / "schema.sql").open("a") as file:
        file.write(new)


def run(folder: Path, command: str) -> tuple[int, str]:
    env = {**os.environ, "NO_COLOR": "1", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env["GITHUB_STEP_SUMMARY"] = str(folder / "summary.md")
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_the_baseline_is_written_and_silences_what_is_known(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "audit_shop", tmp_path, dirs_exist_ok=True)
    run(tmp_path, "tollway audit init schema.sql --python app")
    (block,) = (block for block in BLOCKS if block.language == "console")

    printed = ""
    for line in block.text.splitlines():
        if line.startswith("$ "):
            code, out = run(tmp_path, line[2:])
            assert code == 0
            printed += f"{line}\n{out.strip()}\n"
    assert [line for line in printed.splitlines() if line] == block.text.splitlines()


def test_every_recipe_scans() -> None:
    assert len(RECIPES) == 4
    assert {file for file, _ in COMMANDS} == set(RECIPES)


def test_the_report_is_uploaded_although_the_scan_fails() -> None:
    steps = PARSED[".github/workflows/audit.yml"]["jobs"]["audit"]["steps"]
    (scan,) = (step["run"] for step in steps if "tollway audit" in step.get("run", ""))
    upload = steps[-1]

    assert scan.endswith(f"> {upload['with']['sarif_file']}")
    assert upload["uses"].startswith("github/codeql-action/upload-sarif@")
    assert upload["if"] == "always()"
    assert PARSED[".github/workflows/audit.yml"]["permissions"]["security-events"] == "write"
    assert PARSED[".gitlab-ci.yml"]["audit"]["artifacts"]["reports"]["junit"] == "audit.xml"
    (hook,) = PARSED[".pre-commit-config.yaml"]["repos"][0]["hooks"]
    assert hook["pass_filenames"] is False


@pytest.mark.parametrize("text", ["a:\n\tb: c", "a: b: c", "a: [b", "a:\n    b: c\n  d: e", "a: b\na: c", "a: {b}"])
def test_yaml_that_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"line|needs|list|depth|twice"):
        load(text)


@pytest.mark.parametrize(("file", "command"), COMMANDS)
def test_a_command_passes_today_and_fails_on_a_new_bypass(shop: Path, file: str, command: str) -> None:
    assert run(shop, command)[0] == 0

    add_a_bypass(shop)
    assert run(shop, command)[0] == 1


def test_what_is_uploaded_names_the_new_bypass_only(shop: Path) -> None:
    add_a_bypass(shop)
    for _, command in COMMANDS:
        run(shop, command)

    sarif = json.loads((shop / "audit.sarif").read_text())
    assert sarif["version"] == "2.1.0"
    (result,) = sarif["runs"][0]["results"]
    assert result["ruleId"] == "BP001"
    assert "shop.lose" in result["message"]["text"]
    (failure,) = ET.fromstring((shop / "audit.xml").read_text()).iter("failure")
    assert "shop.lose" in (failure.text or "")
    assert "shop.lose" in (shop / "summary.md").read_text()


def test_annotations_stand_on_the_line(shop: Path) -> None:
    add_a_bypass(shop)
    line = (shop / "schema.sql").read_text()[: (shop / "schema.sql").read_text().rindex("update")].count("\n") + 1

    code, printed = run(shop, next(command for _, command in COMMANDS if command.endswith("github")))

    assert code == 1
    assert printed.startswith(f"::warning file=schema.sql,line={line},")
