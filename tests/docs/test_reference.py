"""The reference pages say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "generate_reference.py"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_reference", TOOL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr("sys.argv", [str(TOOL), "--check"])
    return module


def test_the_pages_are_up_to_date(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main() == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", ["sql.md", "python.md", "errors.md"])
def test_a_change_is_noticed(tool: ModuleType, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for page in ("sql.md", "python.md", "errors.md"):
        text = (tool.PAGES / page).read_text()
        (tmp_path / page).write_text(text.replace("a", "b", 1) if page == name else text)
    monkeypatch.setattr(tool, "PAGES", tmp_path)

    assert tool.main() == 1


def test_an_error_without_advice_stops_the_tool(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(tool.DO, "LeaseLost")

    with pytest.raises(SystemExit, match="LeaseLost"):
        tool.errors_page()
