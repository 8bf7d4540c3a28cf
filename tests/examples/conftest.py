"""The examples, imported as a user's worker would import them: from their own folder."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], ModuleType]]:
    """`example(folder, module)`: a fresh import."""
    imported: list[str] = []

    def load(folder: str, module: str) -> ModuleType:
        monkeypatch.syspath_prepend(str(EXAMPLES / folder))
        sys.modules.pop(module, None)
        imported.append(module)
        return importlib.import_module(module)

    yield load
    for name in imported:
        sys.modules.pop(name, None)
