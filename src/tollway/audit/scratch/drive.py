"""Exercising the functions: the user's script."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tollway.audit.errors import AuditError
from tollway.audit.live import connect
from tollway.audit.load.code import Source
from tollway.audit.load.split import clean, statements


def drive(script: Path, dsn: str) -> None:
    """Run a script against a database: a `.sql` file statement by statement, a `.py` file with the DSN as its argument.

    Raises:
        AuditError: the script is missing or fails; the message has its last words.
    """
    if not script.is_file():
        raise AuditError(f"{script}: no such file", "give --driver a .sql or .py file that calls the functions")
    if script.suffix == ".py":
        done = subprocess.run(
            [sys.executable, str(script), dsn], capture_output=True, text=True, check=False, env={**os.environ, "TOLLWAY_AUDIT_DSN": dsn}
        )
        if done.returncode:
            raise AuditError(f"{script} failed ({done.returncode}): {_tail(done.stderr or done.stdout)}", "it must run through by itself")
        return
    import psycopg

    try:
        text = script.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"{script}: cannot be read: {error}", "give --driver a .sql file in UTF-8, or a .py file") from error
    with connect(dsn) as connection:
        for stmt in statements(Source(str(script), clean(text)), {}):
            try:
                connection.execute(stmt.code.text)
            except psycopg.Error as error:
                raise AuditError(f"{stmt.code.span()}: {str(error).strip()}", "the driver must run through by itself") from error


def _tail(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-3:])
