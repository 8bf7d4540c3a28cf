"""Suppressions: in a comment or in the configuration, with a reason; one that does not work is a finding."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

LINE = "  update public.orders set status = 'cancelled' where id = p_id;"
TODAY = datetime.now(UTC).date()
OVER = TODAY - timedelta(days=1)
LATER = TODAY + timedelta(days=30)


@pytest.fixture
def marked(shop, run):
    """marked(comment) puts it above the line that forgets the log; -> (exit code, the findings' first lines, all that is printed)."""

    def call(comment: str, *, beside: bool = False) -> tuple[int, list[str], str]:
        text = (shop / "db" / "shop.sql").read_text()
        new = f"{LINE} {comment}" if beside else f"  {comment}\n\n  -- another remark\n{LINE}"
        (shop / "db" / "shop.sql").write_text(text.replace(LINE, new))
        code, out, _ = run("scan", "db")
        return code, [line for line in out.splitlines() if line.startswith("BP")], out

    return call


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize(
    "comment",
    [
        '-- tollway: ignore BP001 reason="a log would be wrong here"',
        "-- tollway: ignore BP001 reason='once' owner=billing",
        f'-- tollway: ignore BP001 until={LATER} owner="the billing team" reason=once',
        f"--tollway:ignore bp001 reason=once until={TODAY}",
    ],
)
def test_a_comment_silences_the_finding_of_its_line(marked, comment, beside):
    code, found, out = marked(comment, beside=beside)

    assert (code, found) == (0, [])
    assert out.endswith("0 findings, 0 places not read, 1 suppressed\n")


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("-- tollway: ignore BP001", "BP016: the suppression gives no reason"),
        ("-- tollway: ignore BP001 reason=''", "BP016: the suppression gives no reason"),
        ("-- tollway: ignore reason='x'", "BP016: the suppression names no rule"),
        ("-- tollway: ignore BP1 reason='x'", "BP016: BP1: no rule is called so"),
        ("-- tollway: ignroe BP001 reason='x'", "BP016: not understood: tollway: ignroe BP001 reason='x'"),
        ("-- tollway: ignore BP001 raeson='x'", "BP016: unknown key 'raeson'"),
        ("-- tollway: ignore BP001 reason='x' until=tomorrow", "BP016: until=tomorrow is no day"),
        ("-- tollway: ignore BP001 because it is fine", "BP016: not understood: because it is fine"),
        (
            f"-- tollway: ignore BP001 reason='x' owner=billing until={OVER}",
            f"BP016: the suppression of BP001, of billing ended on {OVER} (x)",
        ),
        ("-- tollway: ignore BP004 reason='x'", "BP016: the suppression of BP004 silences nothing (x)"),
    ],
)
def test_a_comment_that_does_not_work_silences_nothing_and_is_a_finding(marked, comment, said):
    code, found, out = marked(comment)

    assert code == 1
    assert [line.partition(": update")[0] for line in found] == ["BP001: public.cancel/1", said]
    assert "  --> db/shop.sql:21:3\n" in out


@pytest.mark.parametrize("remark", ["-- tollway: the worker calls this", "-- see tollway: a database", "-- tollway:"])
def test_another_remark_with_our_name_is_none(marked, remark):
    assert [line[:5] for line in marked(remark)[1]] == ["BP001"]


def test_a_wrong_key_says_which_is_near(marked):
    assert "mend: did you mean 'reason'?" in marked("-- tollway: ignore BP001 raeson='x'")[2]


def test_a_suppression_of_another_line_silences_nothing(shop, run):
    file = shop / "db" / "shop.sql"
    file.write_text("-- tollway: ignore BP001 reason='x'\n" + file.read_text())

    code, out, _ = run("scan", "db")
    assert code == 1
    assert [line[:5] for line in out.splitlines() if line.startswith("BP")] == ["BP001", "BP016"]


def test_python_is_silenced_by_a_comment_of_python(shop, run):
    (shop / "app").mkdir()
    desk = shop / "app" / "desk.py"
    desk.write_text("def close(conn):\n    conn.execute(\"update public.orders set status = 'paid'\")\n")
    rules = [f["id"] for f in json.loads(run("scan", "db", "--python", "app", "--format", "json")[1])["findings"] if "desk" in f["file"]]
    assert "BP004" in rules

    desk.write_text(desk.read_text().replace('")\n', f"\")  # tollway: ignore {', '.join(sorted(set(rules)))} reason='a tool'\n"))
    found = json.loads(run("scan", "db", "--python", "app", "--format", "json")[1])
    assert found["findings"] == []
    assert {(s["file"], s["suppression"]["reason"], s["suppression"]["line"]) for s in found["suppressed"]} == {
        ("app/desk.py", "a tool", 2)
    }


def configure(shop, run, **keys: str) -> tuple[int, str, str]:
    lines = [f"{key} = {value}" for key, value in keys.items()]
    (shop / "tollway-audit.toml").write_text("\n".join(["exclude = []", "[[suppress]]", *lines, ""]))
    return run("scan", "db")


def fingerprint(shop, run) -> str:
    (shop / "tollway-audit.toml").unlink(missing_ok=True)
    return json.loads(run("scan", "db", "--format", "json")[1])["findings"][0]["fingerprint"]


@pytest.mark.parametrize(
    "more",
    [{"rule": '"BP001"'}, {"rule": '"BP001"', "file": '"db/*.sql"'}, {"rule": '"BP001"', "until": str(LATER)}, {"owner": '"billing"'}],
)
def test_the_configuration_silences_by_rule_or_fingerprint(shop, run, more):
    given = more if "rule" in more else {"fingerprint": f'"{fingerprint(shop, run)}"', **more}

    code, out, _ = configure(shop, run, reason='"once"', **given)
    assert (code, out.endswith("1 suppressed\n")) == (0, True)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"rule": '"BP009"'}, "BP016: the suppression of BP009 silences nothing (once)"),
        ({"rule": '"BP001"', "file": '"other/*"'}, "BP016: the suppression of BP001 silences nothing (once)"),
        ({"fingerprint": '"0123456789abcdef"'}, "BP016: the suppression of 0123456789abcdef silences nothing (once)"),
        ({"rule": '"BP001"', "until": str(OVER)}, f"BP016: the suppression of BP001 ended on {OVER} (once)"),
    ],
)
def test_one_of_the_configuration_that_does_not_work_is_a_finding(shop, run, more, said):
    code, out, _ = configure(shop, run, reason='"once"', **more)

    assert code == 1
    assert [line for line in out.splitlines() if line.startswith("BP")][1:] == [said]
    assert "  --> tollway-audit.toml:2:1\n" in out


@pytest.mark.parametrize(
    ("keys", "said", "hint"),
    [
        ({"rule": '"BP001"'}, "2: a suppression needs a reason", "why this finding may stay"),
        ({"reason": '"x"'}, "2: a suppression needs a rule or a fingerprint", "prints the fingerprint"),
        ({"reason": '"x"', "rule": '"BP1"'}, "2: 'BP1' is no rule", 'rule = "BP001"'),
        ({"reason": '"x"', "fingerprint": '"abc"'}, "2: 'abc' is no fingerprint", "sixteen"),
        ({"reason": '"x"', "rule": '"BP001"', "untill": "2027-01-01"}, "2: unknown key 'untill' in suppress", "did you mean 'until'?"),
        ({"reason": '"x"', "rule": '"BP001"', "until": '"soon"'}, "2: until 'soon' is no day", "until = 2027-01-31"),
        ({"reason": "7", "rule": '"BP001"'}, "2: reason in suppress must be a string", 'reason = "..."'),
    ],
)
def test_a_wrong_table_is_a_wrong_configuration(shop, run, keys, said, hint):
    code, out, err = configure(shop, run, **keys)

    assert (code, out) == (2, "")
    assert err.startswith(f"tollway audit: tollway-audit.toml:{said}\nhint: ")
    assert hint in err


def test_what_cannot_be_read_may_be_suppressed_with_a_reason(shop, run):
    body = "create function f() returns int language plpython3u as $$ return 1 $$;\n"
    (shop / "db" / "shop.sql").write_text(body)
    assert run("scan", "db")[0] == 3

    (shop / "db" / "shop.sql").write_text(f"-- tollway: ignore BP006 reason='adds numbers'\n{body}")
    code, out, _ = run("scan", "db")
    assert (code, "1 places not read, 1 suppressed" in out) == (0, True)


def test_a_comment_counts_in_diff_as_it_did_at_the_revision(marked, shop, run):
    """The comment of then is read from the revision, not from the file of now, whose lines are others."""
    import subprocess

    marked('-- tollway: ignore BP001 reason="old"')
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    file = shop / "db" / "shop.sql"
    file.write_text("\n\n\n" + "".join(line for line in file.read_text().splitlines(keepends=True) if "tollway:" not in line))

    code, out, _ = run("diff", "main", "db")
    assert code == 1
    assert out.startswith("BP001: public.cancel/1")


def test_a_comment_in_a_function_counts_in_a_live_database_too(db, shop, run):
    """BP008 and BP015 are about the engine, which is in the database too."""
    text = (shop / "db" / "shop.sql").read_text()
    config = 'state = ["public.orders.status"]\nignore = ["BP008", "BP015"]\n'
    config += '[[require]]\neffect = "log"\ninsert = "public.order_log"\nfor = ["public.orders"]\n'
    (shop / "tollway-audit.toml").write_text(config)
    db.conn.execute(text)
    assert "BP001: public.cancel/1" in run("scan", "--dsn", db.dsn)[1]

    marked = text[text.index("create function public.cancel") :].replace(LINE, f"{LINE}  -- tollway: ignore BP001 reason='once'")
    db.conn.execute(marked.replace("create function", "create or replace function"))
    out = run("scan", "--dsn", db.dsn)[1]
    assert [line for line in out.splitlines() if line.startswith("BP")] == []
    assert out.endswith("1 suppressed\n")
