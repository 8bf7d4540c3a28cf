"""The plugin as users have it: in a pytest of their own, with its own embedded server, in several processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import psycopg
import pytest

from tollway.embedded import EmbeddedPostgres

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "examples" / "testing"
DEADLINE = 240.0
PLUGIN = "tollway.testing.plugin"


def run_pytest(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process without our own settings; the plugin once, be it installed as an entry point or not."""
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", f"--rootdir={folder}", "-p", "no:cacheprovider", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "TOLLWAY"))}
    settings = {**clean, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
    return subprocess.run([*command, "-p", PLUGIN], cwd=folder, env=settings, capture_output=True, text=True, timeout=DEADLINE, check=False)


def test_the_example_of_the_docs_passes_on_an_embedded_server() -> None:
    done = run_pytest(EXAMPLE, "-q", str(EXAMPLE))

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "4 passed" in done.stdout


def test_pytest_finds_the_plugin_by_itself() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"tollway": PLUGIN}


def test_the_docs_show_the_example() -> None:
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "howto" / "testing.md").read_text(), re.DOTALL)
    assert shown == [(EXAMPLE / name).read_text() for name in ("fulfilment.py", "test_example.py")]


TWO_TESTS = """
import pytest

@pytest.mark.parametrize("number", range(4))
def test_alone(tollway_db, number):
    assert tollway_db.verify() == []
    tollway_db.conn.execute("create table mine as select 1")
    print("SERVER", tollway_db.one("select current_setting('data_directory')"))
    print("DATABASE", tollway_db.one("select current_database()"))
"""


def test_processes_of_xdist_share_a_server_and_no_database(tmp_path: Path) -> None:
    (tmp_path / "test_two.py").write_text(TWO_TESTS)
    done = run_pytest(tmp_path, "-p", "xdist.plugin", "-n", "2", "-rP", "-q", str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    folders = re.findall(r"SERVER (\S+)", done.stdout)
    assert len(folders) == 4
    assert len(set(folders)) == 1
    assert not Path(folders[0]).exists(), "the last process has removed it"


@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_server_of_ones_own_keeps_only_the_template(server: EmbeddedPostgres, tmp_path: Path, how: str) -> None:
    (tmp_path / "test_two.py").write_text(TWO_TESTS)
    given = ["--tollway-dsn", server.dsn] if how == "option" else []
    done = run_pytest(tmp_path, "-q", "-rP", *given, str(tmp_path), **({} if given else {"TOLLWAY_TEST_DATABASE_URL": server.dsn}))

    assert done.returncode == 0, done.stdout + done.stderr
    used = re.findall(r"DATABASE (\S+)", done.stdout)
    assert len(set(used)) == 4
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        left = {name for (name,) in admin.execute("select datname from pg_database")}
    assert not left & set(used)
    assert any(name.startswith("tollway_template_") for name in left)


UNSAFE = """
import random
from tollway import Context, Tollway

app = Tollway()

@app.workflow
async def lottery(ctx: Context) -> float:
    return random.random()

def test_lottery(tollway_env):
    tollway_env.bind(app)
    tollway_env.assert_resume_safe(lottery)
"""


def test_a_failure_shows_the_users_line_and_nothing_of_ours(server: EmbeddedPostgres, tmp_path: Path) -> None:
    (tmp_path / "test_lottery.py").write_text(UNSAFE)
    done = run_pytest(tmp_path, "-q", "--tollway-dsn", server.dsn, str(tmp_path))

    assert done.returncode == 1
    assert re.search(r"^E +AssertionError: workflow 'lottery' gives another outcome each time", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^> +tollway_env.assert_resume_safe\(lottery\)", done.stdout, re.MULTILINE), done.stdout
    assert "check.py" not in done.stdout
