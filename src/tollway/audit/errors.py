"""What can go wrong for reasons the user can mend. `AuditError` carries the exit code of the command."""

from __future__ import annotations


class AuditError(Exception):
    """An analysis cannot start. The message says what and where; `hint` says what to do."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(AuditError):
    """The configuration cannot be used: a wrong key, a wrong type, a file that is not TOML."""


class ParserMissing(AuditError):
    """The Postgres parser is not installed."""

    def __init__(self) -> None:
        super().__init__("the auditor needs the Postgres parser postgast", "pip install 'tollway[audit]'")
