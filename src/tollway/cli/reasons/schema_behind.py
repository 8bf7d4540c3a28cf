"""The database's schema is not this release's, so nothing that is read from it can be trusted."""

from __future__ import annotations

from tollway.cli.reasons.answer import Answer
from tollway.errors import SchemaMismatch


def schema_behind(error: SchemaMismatch) -> Answer:
    """Workers of this release refuse such a database, too."""
    says = f"{error.message[0].upper()}{error.message[1:]}: workers of this release cannot work on it."
    behind = "Update tollway" not in (error.hint or "")
    command = "tollway schema install" if behind else "pip install --upgrade tollway"
    return Answer("schema_behind", says, command, (error.hint,) if error.hint else ())
