"""A small shop whose cancel() forgets the log, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tollway.audit.commands import main

SHOP = (Path(__file__).parent / "shop.sql").read_text("utf-8")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The working directory, with the shop's schema as db/shop.sql."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "shop.sql").write_text(SHOP)
    return tmp_path


@pytest.fixture
def run(capsys):
    """run(*arguments) -> (exit code, standard output, standard error)."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(arguments))
        out = capsys.readouterr()
        return code, out.out, out.err

    return call
