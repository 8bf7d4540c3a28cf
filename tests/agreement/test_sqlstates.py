"""The SQLSTATEs that the SQL raises and the classes that Python has are the same list."""

from __future__ import annotations

import re

from tollway.errors import TollwayError
from tollway.schema.files import SQL_DIR

# raised by PostgreSQL's own words, where absurd's clients know them: not classes of ours
PLAIN = {"22004", "23502", "23514"}
# raised by Python alone, before anything is sent
CLIENT_ONLY = {"TW305", "TW401", "TW402", "TW501", "TW502", "TW503", "TW504", "TW505"}


def test_every_sqlstate_has_a_class_and_every_class_a_sqlstate() -> None:
    raised = set()
    for file in SQL_DIR.rglob("*.sql"):
        raised |= set(re.findall(r"errcode = '(\w{5})'", file.read_text()))
        for case in re.findall(r"errcode = case .*? end", file.read_text(), re.DOTALL):
            raised |= set(re.findall(r"'([A-Z]{2}\d{3})'", case))

    assert raised - PLAIN == set(TollwayError.registry) - CLIENT_ONLY


def test_every_raise_has_a_sqlstate_and_a_hint() -> None:
    bare = []
    for file in SQL_DIR.rglob("*.sql"):
        for statement in re.findall(r"raise exception.*?;\n", file.read_text(), re.DOTALL):
            if "errcode" not in statement or "hint" not in statement:
                bare.append(f"{file.name}: {statement.splitlines()[0]}")

    assert not bare


def test_no_line_of_a_statement_looks_like_a_frame() -> None:
    """The call path is read from PG_CONTEXT, where the text of our own statements stands among the frames."""
    suspects = [
        f"{file.name}:{number}"
        for file in SQL_DIR.rglob("*.sql")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if re.match(r"\S.*\w+\([^()]*\)\D+\d+\D", line) and not line.startswith(("--", "create", "grant", "insert"))
    ]

    assert not suspects
