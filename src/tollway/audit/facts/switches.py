"""What switches triggers off, or moves the moment at which they fire, as the text of a body or of a script says it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from tollway.audit.model import Trigger
from tollway.audit.parse.names import same_relation

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_WORDS = re.compile(
    r"""(?P<read>\bcurrent_setting\s*\(\s*')?\bsession_replication_role(?:\W|\bto\b)+(?P<role>\w+)
      | (?P<reset>\breset\s+(?:session_replication_role|all)\b)
      | (?:\btable\s+(?:only\s+|if\s+exists\s+)*(?P<table>\S+)\s+)?\b(?P<how>disable|enable(?:\s+(?:always|replica))?)\s+trigger\s+
        (?P<trigger>"[^"]+"|[^\s;',]+)
      | \bdrop\s+trigger\s+(?:if\s+exists\s+)?(?P<dropped>"[^"]+"|[^\s;',]+)\s+on\s+(?:only\s+)?(?P<on>[^\s;']+)
      | \bset\s+constraints\s+(?P<names>[^;']+?)\s+(?P<timing>immediate|deferred)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_CHANGES = re.compile(r"\b(?:insert|update|delete|merge|truncate|copy|select|perform|call)\b", re.IGNORECASE)
_NAME = re.compile(r'[\w$]+|"[^"]+"')


@dataclass(frozen=True, slots=True)
class Switch:
    """What is switched: every trigger of a table, or one; "" for any. With `timing`, it fires all the same, but at another moment."""

    table: str = ""
    trigger: str = ""
    replica: bool = False
    timing: Literal["", "immediate", "deferred"] = ""

    def covers(self, trigger: Trigger) -> bool:
        """Does the trigger not fire?"""
        if self.timing:
            return False
        if self.replica:
            return trigger.enabled != "A"
        on = not self.table or same_relation(trigger.relation, self.table) or same_relation(self.table, trigger.relation)
        return on and self.trigger in ("", trigger.name)

    def moves(self, trigger: Trigger) -> bool:
        """Does it fire earlier, or later, than it was declared?"""
        return (
            bool(self.timing)
            and trigger.deferrable
            and self.trigger in ("", trigger.name)
            and trigger.deferred == (self.timing == "immediate")
        )


@dataclass(slots=True)
class Switched:
    """What a text switches: `ever`, and what it leaves so when it ends; `back` when it switches anything on again."""

    ever: list[Switch] = field(default_factory=list)
    left: list[Switch] = field(default_factory=list)
    back: bool = False

    def read(self, text: str) -> Switched:
        """Take in a text, in its order."""
        text = _COMMENT.sub(" ", text)
        for found in _WORDS.finditer(text):
            if found["reset"] or found["role"]:
                if not found["read"]:  # current_setting('session_replication_role') only asks
                    self._turn([Switch(replica=True)], on=(found["role"] or "").lower() != "replica")
            elif found["dropped"]:
                self._drop(Switch(_table(found["on"]), _trigger(found["dropped"])), found["dropped"], text[found.end() :])
            elif found["timing"]:
                names = [_trigger(name.strip().rpartition(".")[2]) for name in found["names"].split(",")]
                later: Literal["immediate", "deferred"] = "deferred" if found["timing"].lower() == "deferred" else "immediate"
                self.left = [s for s in self.left if not s.timing or s.timing == later or (names != [""] and s.trigger not in names)]
                self._turn([Switch(trigger=name, timing=later) for name in names], on=False)
            else:
                how = found["how"].lower().split()
                switch = Switch(_table(found["table"] or ""), _trigger(found["trigger"]))
                self._turn([switch], on=how[0] == "enable" and how[-1] != "replica")
        return self

    def _drop(self, switch: Switch, written: str, rest: str) -> None:
        """A trigger that the rest of the text makes anew is away for what stands between, if anything does."""
        again = re.search(rf"\btrigger\s+{re.escape(written)}(?![\w$])", rest, re.IGNORECASE)
        if again is None or _CHANGES.search(rest, 0, again.start()):
            self.ever.append(switch)
        if again is None:
            self.left.append(switch)

    def _turn(self, switches: list[Switch], *, on: bool) -> None:
        if not on:
            self.ever += switches
            self.left += switches
            return
        self.back = True
        self.left = [s for s in self.left if not any(_undoes(switch, s) for switch in switches)]


def _undoes(on: Switch, off: Switch) -> bool:
    if on.replica or off.replica or off.timing:
        return on.replica and off.replica
    return (not on.table or not off.table or same_relation(on.table, off.table)) and on.trigger in ("", off.trigger)


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
