"""The reference page says what the commands say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "generate_cli_reference.py"


def test_the_page_is_up_to_date_and_a_change_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("generate_cli_reference", TOOL)
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr("sys.argv", [str(TOOL), "--check"])

    assert tool.main() == 0, capsys.readouterr().err
    other = tmp_path / "cli.md"
    other.write_text(tool.PAGE.read_text().replace("--follow", "--fellow"))
    monkeypatch.setattr(tool, "PAGE", other)
    assert tool.main() == 1
