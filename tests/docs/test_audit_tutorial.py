"""The tutorial of the auditor is typed in as it stands, and what is printed is compared line for line."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs.pages import DOCS, ROOT, blocks_of

PAGE = DOCS / "tutorial" / "audit.md"
SHOP = ROOT / "examples" / "audit_shop"
BLOCKS = blocks_of(PAGE)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    shutil.copytree(SHOP, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def typed(folder: Path, command: str) -> str:
    env = {**os.environ, "NO_COLOR": "1", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=60).stdout


def test_every_command_prints_what_the_page_says(shop: Path) -> None:
    """The bypass stands in what the second of the commands prints, and after the mending nothing is found."""
    printed = []
    for block in BLOCKS:
        if block.language == "console":
            lines: list[str] = []
            for line in block.text.splitlines():
                if line.startswith("$ "):
                    printed.append(typed(shop, line[2:]))
                    lines += [line, *printed[-1].rstrip("\n").splitlines()]
            assert "\n".join(lines) + "\n" == block.text, block.place
        elif "writes" in block.marks:
            assert (shop / block.marks["writes"]).read_text() == block.text, block.place

    assert len(printed) == 6
    assert "BP003: shop.expire_unpaid/1 calls shop.cancel/1 and skips order_log" in printed[1]
    assert "0 findings, 0 places not read" in printed[-1]


def test_what_is_quoted_stands_in_the_example() -> None:
    quoted = [block for block in BLOCKS if "from" in block.marks]

    assert len(quoted) == 2
    for block in quoted:
        assert block.text in (ROOT / block.marks["from"]).read_text(), block.place


def test_the_wrapper_in_python_writes_the_log(db) -> None:
    shop = runpy.run_path(str(SHOP / "app" / "shop.py"))
    db.conn.execute((SHOP / "schema.sql").read_text())
    order_id = shop["place"](db.conn)
    shop["pay"](db.conn, order_id)
    shop["cancel"](db.conn, order_id)

    assert [row[0] for row in db.conn.execute("select status from shop.order_log order by seq")] == ["new", "paid", "cancelled"]


def test_the_bypass_is_real_and_the_mending_closes_it(db) -> None:
    """An order that expire_unpaid cancels has no line in the log; after mend.sql it has one."""

    def expire_one() -> list[str]:
        db.conn.execute("select shop.place()")
        db.conn.execute("select shop.expire_unpaid(interval '-1 hour')")
        order_id, status = db.conn.execute("select id, status from shop.orders order by id desc limit 1").fetchone()
        assert status == "cancelled"
        return [row[0] for row in db.conn.execute("select status from shop.order_log where order_id = %s order by seq", (order_id,))]

    db.conn.execute((SHOP / "schema.sql").read_text())
    assert expire_one() == ["new"]

    db.conn.execute((SHOP / "mend.sql").read_text())
    assert expire_one() == ["new", "cancelled"]
