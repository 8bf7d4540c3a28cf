"""Which routines switch triggers off while they run, and which triggers those are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tollway.audit.facts.catalog import Body
from tollway.audit.model import Trigger
from tollway.audit.parse.names import same_relation

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_REPLICA = re.compile(r"session_replication_role(\W|\bto\b)+replica\b", re.IGNORECASE)
_DISABLE = re.compile(r"(?:\btable\s+(?:only\s+|if\s+exists\s+)*(\S+)\s+)?\bdisable\s+trigger\s+(\"[^\"]+\"|[^\s;',]+)", re.IGNORECASE)
_DROP = re.compile(r"\bdrop\s+trigger\s+(?:if\s+exists\s+)?(\"[^\"]+\"|[^\s;',]+)\s+on\s+(?:only\s+)?([^\s;']+)", re.IGNORECASE)
_NAME = re.compile(r'[\w$]+|"[^"]+"')


@dataclass(frozen=True, slots=True)
class Switch:
    """What a routine switches off: every trigger of a table, or one; "" for any."""

    table: str = ""
    trigger: str = ""
    replica: bool = False

    def covers(self, trigger: Trigger) -> bool:
        if self.replica:
            return trigger.enabled != "A"
        on = not self.table or same_relation(trigger.relation, self.table) or same_relation(self.table, trigger.relation)
        return on and self.trigger in ("", trigger.name)


def switches(bodies: Iterable[Body]) -> Mapping[str, list[Switch]]:
    """For each routine that switches triggers off, which ones."""
    found: dict[str, list[Switch]] = {}
    for body in bodies:
        text = _COMMENT.sub(" ", body.code.text) if body.code is not None else ""
        mine = [Switch(replica=True)] if _REPLICA.search(text) else []
        mine += [Switch(_table(m[1] or ""), _trigger(m[2])) for m in _DISABLE.finditer(text)]
        mine += [Switch(_table(m[2]), _trigger(m[1])) for m in _DROP.finditer(text) if not _made_again(text, m)]
        if mine:
            found.setdefault(body.routine.id, []).extend(mine)
    return found


def _made_again(text: str, dropped: re.Match[str]) -> bool:
    """Does the routine create the trigger anew after it dropped it?"""
    return re.search(rf"\btrigger\s+{re.escape(dropped[1])}(?![\w$])", text[dropped.end() :], re.IGNORECASE) is not None


def _table(written: str) -> str:
    """A computed name can be any table's."""
    parts = written.split(".")
    return ".".join(_fold(p) for p in parts) if all(_NAME.fullmatch(p) for p in parts) else ""


def _trigger(written: str) -> str:
    if not _NAME.fullmatch(written) or written.lower() in ("all", "user"):
        return ""
    return _fold(written)


def _fold(name: str) -> str:
    return name[1:-1] if name.startswith('"') else name.lower()
