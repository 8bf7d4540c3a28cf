"""docs/reference/paths.md is what a run prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from matrix.run import Cell
from tollway.embedded import EmbeddedPostgres

sys.path.append(str(Path(__file__).parents[2] / "tools"))


def test_the_page_of_paths_is_what_a_run_prints(server: EmbeddedPostgres, cells: list[Cell], sdk: Any, node: Path | None) -> None:
    if sdk is None or node is None:
        pytest.skip("the page names both SDKs of absurd; one is not installed, and no package index can be reached")
    import print_paths

    printed = print_paths.page(cells, print_paths.run_writes(server.dsn))

    assert printed == print_paths.PAGE.read_text(), "run tools/print_paths.py"
