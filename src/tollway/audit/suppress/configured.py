"""`[[suppress]]` of the configuration."""

from __future__ import annotations

import re
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path

from tollway.audit.errors import ConfigError
from tollway.audit.model import Span, Suppression

_KEYS = ("rule", "fingerprint", "file", "reason", "owner", "until")
_HEAD = re.compile(r"^\s*\[\[\s*(?:tool\.tollway\.audit\.)?suppress\s*\]\]")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
RULE = re.compile(r"BP\d{3}")


def suppressions(given: object, file: Path) -> tuple[Suppression, ...]:
    """The suppressions of a configuration.

    Raises:
        ConfigError: one is not complete, or has a wrong key or value; the message says which, by its line.
    """
    if not isinstance(given, list) or not all(isinstance(table, dict) for table in given):
        raise ConfigError(
            f"{file}:{_first(file)}: suppress must be a list of tables", "write [[suppress]] with rule or fingerprint, and reason"
        )
    if not given:
        return ()
    heads = [number for number, line in enumerate(file.read_text("utf-8").split("\n"), 1) if _HEAD.match(line)]
    lines = heads if len(heads) == len(given) else [1] * len(given)
    return tuple(_one(table, Span(str(file), line)) for table, line in zip(given, lines, strict=True))


def _first(file: Path) -> int:
    lines = file.read_text("utf-8").split("\n")
    return next((number for number, line in enumerate(lines, 1) if line.lstrip().startswith("suppress")), 1)


def _one(table: dict[str, object], span: Span) -> Suppression:
    for key in table:
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, 1)
            raise ConfigError(
                f"{span}: unknown key {key!r} in suppress", f"did you mean {near[0]!r}?" if near else f"keys: {', '.join(_KEYS)}"
            )
    texts = {key: table.get(key, "") for key in _KEYS if key != "until"}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise ConfigError(f"{span}: {key} in suppress must be a string", f'write {key} = "..."')
    rule, fingerprint, files, reason, owner = (str(value) for value in texts.values())
    if not reason.strip():
        raise ConfigError(f"{span}: a suppression needs a reason", 'write reason = "why this finding may stay"')
    if not rule and not fingerprint:
        raise ConfigError(
            f"{span}: a suppression needs a rule or a fingerprint", "tollway audit scan prints the fingerprint of each finding"
        )
    if rule and not RULE.fullmatch(rule):
        raise ConfigError(f"{span}: {rule!r} is no rule", 'write rule = "BP001"')
    if fingerprint and not _FINGERPRINT.fullmatch(fingerprint):
        raise ConfigError(f"{span}: {fingerprint!r} is no fingerprint", "it has sixteen hexadecimal digits; tollway audit scan prints it")
    return Suppression(reason, span, (rule,) if rule else (), owner, _until(table.get("until"), span), fingerprint, files)


def _until(given: object, span: Span) -> date | None:
    if given is None:
        return None
    if isinstance(given, datetime):
        return given.date()
    try:
        return given if isinstance(given, date) else date.fromisoformat(str(given))
    except ValueError as error:
        raise ConfigError(f"{span}: until {given!r} is no day", "write until = 2027-01-31") from error
