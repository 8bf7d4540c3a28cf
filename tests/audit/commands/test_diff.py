"""diff: what is new, gone or worse since a git revision; the checkout stays as it is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

LOG_OF_PAY = "insert into public.order_log (order_id, status) values (p_id, 'paid');"
REOPEN = """
create function public.reopen(p_id bigint) returns void language plpgsql as $$
begin
  update public.orders set status = 'new' where id = p_id;
end $$;
"""


def git(folder: Path, *arguments: str) -> str:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    return subprocess.run(["git", *arguments], cwd=folder, env={**os.environ, **who}, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repo(shop):
    """The shop, committed on the branch `main`, with what it must do declared."""
    (shop / "tollway-audit.toml").write_text('paths = ["db"]\n[[require]]\neffect = "log"\ninsert = "public.order_log"\n')
    git(shop, "init", "-q", "-b", "main")
    git(shop, "add", "-A")
    git(shop, "commit", "-q", "-m", "first")
    return shop


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "db" / "shop.sql"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_nothing_changed(repo, run):
    code, out, err = run("diff", "main")

    assert (code, err) == (0, "")
    assert out == "since main: 0 new findings, 0 gone; 0 verdicts worse, 0 better; 0 new writes, 0 gone\n"


def test_moved_lines_are_no_difference(repo, run):
    edit(repo, "create table public.orders", "\n\n-- a remark\ncreate table public.orders")

    assert run("diff", "main")[1].startswith("since main: 0 new findings, 0 gone; 0 verdicts worse")


def test_a_new_bypass_is_new_and_the_known_one_is_not(repo, run):
    (repo / "db" / "z.sql").write_text(REOPEN)

    code, out, _ = run("diff", "main")
    assert code == 1
    assert out.startswith("BP001: public.reopen/1: update public.orders.status to new without log: missing\n  --> db/z.sql:4:3\n")
    assert "+ db/z.sql:4  public.reopen/1: update public.orders.status to new\n" in out
    assert "public.cancel" not in out
    assert out.endswith("since main: 1 new findings, 0 gone; 0 verdicts worse, 0 better; 1 new writes, 0 gone\n")


def test_an_effect_that_got_lost_is_a_worse_verdict(repo, run):
    edit(repo, LOG_OF_PAY, f"if p_id > 7 then {LOG_OF_PAY} end if;")

    code, out, _ = run("diff", "main", "--format", "json")
    found = json.loads(out)
    assert code == 1
    assert [(f["id"], f["line"]) for f in found["new"]] == [("BP001", 9)]
    assert [(v["write"], v["before"], v["after"]) for v in found["worse"]] == [
        ("public.pay/1: update public.orders.status to paid", "same block", "conditional")
    ]


def test_what_was_mended_is_gone_and_exits_with_zero(repo, run):
    edit(repo, "'cancelled' where id = p_id;", "'cancelled' where id = p_id; insert into public.order_log values (p_id, 'cancelled');")

    code, out, _ = run("diff", "main")
    assert code == 0
    assert "findings that are gone:\n  - BP001: public.cancel/1" in out
    assert "missing -> same block" in out


def test_the_same_statement_a_second_time_is_new(repo, run):
    line = "update public.orders set status = 'cancelled' where id = p_id;"
    edit(repo, line, f"{line}\n  {line}")

    code, out, _ = run("diff", "main")
    assert code == 1
    assert "1 new findings, 0 gone; 0 verdicts worse, 0 better; 1 new writes, 0 gone" in out


def test_a_suppression_in_python_counts_as_it_stood_at_the_revision(repo, run):
    """Its line is a line of the file of then."""
    (repo / "app").mkdir()
    desk = repo / "app" / "desk.py"
    code = "def close(conn):\n    conn.execute(\"update public.orders set status = 'paid'\")"
    desk.write_text(f"{code}  # tollway: ignore BP001, BP004 reason='a tool'\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "desk")
    assert run("diff", "main", "db", "--python", "app")[0] == 0
    desk.write_text(f"\n\n{code}\n")

    found = json.loads(run("diff", "main", "db", "--python", "app", "--format", "json")[1])
    assert {f["id"] for f in found["new"]} >= {"BP004"}


def test_an_effect_inferred_before_is_still_required(repo, run):
    """Two changes that forget the log are most of four: the inference alone would end, and hide both."""
    (repo / "tollway-audit.toml").unlink()
    edit(repo, LOG_OF_PAY, "")

    code, out, _ = run("diff", "main", "db")
    assert code == 1
    assert "BP001: public.pay/1" in out


def test_the_checkout_and_the_index_are_not_touched(repo, run):
    (repo / "db" / "z.sql").write_text(REOPEN)
    edit(repo, LOG_OF_PAY, "")
    git(repo, "add", "db/shop.sql")
    before = (git(repo, "status", "--porcelain", "--branch"), git(repo, "diff", "--cached"), (repo / "db" / "shop.sql").read_text())
    files = sorted(p.name for p in (repo / ".git").iterdir())

    assert run("diff", "HEAD")[0] == 1
    assert (git(repo, "status", "--porcelain", "--branch"), git(repo, "diff", "--cached"), (repo / "db" / "shop.sql").read_text()) == before
    assert (sorted(p.name for p in (repo / ".git").iterdir()), Path.cwd()) == (files, repo)


def test_it_runs_in_a_folder_of_the_repository_too(repo, run, monkeypatch):
    (repo / "db" / "z.sql").write_text(REOPEN)
    monkeypatch.chdir(repo / "db")

    code, out, _ = run("diff", "main", ".", str(repo / "db" / "shop.sql"))
    assert code == 1
    assert "  --> z.sql:4:3" in out


def test_files_kept_out_of_archives_are_compared_too(repo, run):
    (repo / ".gitattributes").write_text("db export-ignore\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "attributes")

    assert run("diff", "main")[1].startswith("since main: 0 new findings, 0 gone")


def test_what_cannot_be_read_since_then_exits_with_three(repo, run):
    (repo / "db" / "z.sql").write_bytes(b"PGDMP\0")

    code, out, _ = run("diff", "main")
    assert code == 3
    assert "+ db/z.sql:1  binary" in out


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (("mian", "db"), "git knows no revision 'mian'", "did you mean main?"),
        (("--", "-x", "db"), "git knows no revision '-x'", "name a commit"),
        (("", "db"), "git knows no revision ''", "name a commit"),
        (("main", "db/new.sql"), "db/new.sql is not there at main (", "name an older path"),
        (("main", "db/none.sql"), "db/none.sql: no such file or folder", "was there at the revision"),
        (("main", "db/no*.sql"), "db/no*.sql: no such file or folder", "was there at the revision"),
        (("main", "../elsewhere"), "../elsewhere is not in the repository", "what git knows"),
        (("main", "db", "--python", "app"), "app: no such file or folder", "was there"),
    ],
)
def test_what_cannot_be_compared_is_named(repo, run, arguments, said, hint):
    (repo / "db" / "new.sql").write_text(REOPEN)

    code, out, err = run("diff", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"tollway audit: {said}")
    assert hint in err.splitlines()[1]


def test_a_configured_path_may_be_new_but_not_all_of_them(repo, run):
    (repo / "more").mkdir()
    (repo / "more" / "a.sql").write_text(REOPEN)
    config = repo / "tollway-audit.toml"
    config.write_text(config.read_text().replace('["db"]', '["db", "more"]'))
    assert run("diff", "main")[0] == 1

    config.write_text(config.read_text().replace('["db", "more"]', '["more"]'))
    code, _, err = run("diff", "main")
    assert (code, "none of more is there at main" in err) == (2, True)


def test_without_a_repository_it_says_so(shop, run, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(shop.parent))

    code, out, err = run("diff", "main", "db")
    assert (code, out) == (2, "")
    assert err.startswith("tollway audit: not in a git repository")


def test_without_git_it_says_so(repo, run, monkeypatch):
    monkeypatch.setenv("PATH", str(repo))

    code, _, err = run("diff", "main", "db")
    assert (code, err.splitlines()[0]) == (2, "tollway audit: git cannot be run: No such file or directory")
