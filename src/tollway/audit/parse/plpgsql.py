"""A reader of PL/pgSQL bodies that keeps the place of every statement and expression.

The server's own parser loses a whole function for one type that it does not know, and gives lines without columns. The
language's statements are few and each ends at a semicolon or a keyword, so they are read here from the tokens; whatever is
not a control statement is SQL and goes on as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tollway.audit.load.code import Code
from tollway.audit.load.split import Statement
from tollway.audit.load.tokens import Token, scan
from tollway.audit.model import Call, Effect, Write

NodeKind = Literal["block", "if", "case", "loop", "return", "raise", "sql", "execute", "perform", "assign", "exit", "other"]


@dataclass(slots=True)
class Node:
    """A statement. `code` is its SQL or expression, `branches` its statement lists, `conds` their conditions."""

    kind: NodeKind
    at: int
    code: Statement | None = None
    target: str = ""
    branches: list[list[Node]] = field(default_factory=list)
    conds: list[Statement | None] = field(default_factory=list)
    handlers: list[list[Node]] = field(default_factory=list)
    declared: list[tuple[str, Statement | None]] = field(default_factory=list)
    word: str = ""
    """Detail: the level of a RAISE, `query` of a RETURN, the kind of a loop."""
    exhaustive: bool = False
    """An IF or CASE one of whose branches always runs."""
    facts: list[Write | Call | Effect] = field(default_factory=list)
    """What this statement itself does; filled by the walk."""


class BodyError(ValueError):
    """The text is no PL/pgSQL that this reader knows."""


class Reader:
    """Reads one body."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.tokens = scan(code.text)
        self.i = 0

    def word(self, ahead: int = 0) -> str:
        at = self.i + ahead
        if at >= len(self.tokens):
            return ""
        token = self.tokens[at]
        return token.word if token.kind in ("name", "op") else ""

    def read(self) -> Node:
        """The outer block."""
        while self.word() == "#":  # #variable_conflict use_column
            self.i += 3
        self._label()
        if self.word() not in ("begin", "declare"):
            raise BodyError("no BEGIN")
        return self._block()

    def _label(self) -> None:
        if self.word() == "<<":
            while self.word() not in (">>", ""):
                self.i += 1
            self.i += 1

    def _start(self) -> int:
        return self.tokens[self.i].start if self.i < len(self.tokens) else len(self.code.text)

    def _until(self, *ends: str) -> Statement:
        """The text up to a keyword or semicolon outside parentheses and CASE; the end word is consumed."""
        first, depth, cases = self.i, 0, 0
        while self.i < len(self.tokens):
            word = self.word()
            if depth == 0 and cases == 0 and word in ends:
                break
            depth += (word in ("(", "[")) - (word in (")", "]"))
            cases += (word == "case") - (word == "end" and cases > 0)
            if word == ";" and depth <= 0:
                raise BodyError(f"expected {' or '.join(ends)} before a semicolon, line {self.code.line(self._start())}")
            self.i += 1
        else:
            raise BodyError(f"the text ends before {' or '.join(ends)}")
        found = self._piece(first, self.i)
        self.i += 1
        return found

    def _piece(self, first: int, last: int) -> Statement:
        if last <= first:
            at = self.tokens[first].start if first < len(self.tokens) else len(self.code.text)
            return Statement(self.code.slice(at, at), [])
        start = self.tokens[first].start
        moved = [Token(t.kind, t.word, t.start - start, t.end - start) for t in self.tokens[first:last]]
        return Statement(self.code.slice(start, self.tokens[last - 1].end), moved)

    def _block(self) -> Node:
        node = Node("block", self._start())
        if self.word() == "declare":
            self.i += 1
            while self.word() != "begin":
                if self.i >= len(self.tokens):
                    raise BodyError("no BEGIN after DECLARE")
                if self.word() == "declare":
                    self.i += 1
                    continue
                self._declaration(node)
        self.i += 1
        node.branches.append(self._list("end", "exception"))
        if self.word() == "exception":
            self.i += 1
            while self.word() == "when":
                self._until("then")
                node.handlers.append(self._list("when", "end"))
        self._finish()
        return node

    def _declaration(self, node: Node) -> None:
        piece = self._until(";")
        if not piece.tokens:
            return
        name = piece.tokens[0].word
        for i, token in enumerate(piece.tokens):
            if token.kind in ("op", "name") and token.word in (":=", "=", "default", "for", "is"):
                rest = piece.tokens[i + 1 :]
                if rest:
                    node.declared.append((name, _sub(piece, i + 1, len(piece.tokens))))
                return
        node.declared.append((name, None))

    def _list(self, *ends: str) -> list[Node]:
        found: list[Node] = []
        while True:
            if self.i >= len(self.tokens):
                raise BodyError(f"the text ends before {' or '.join(ends)}")
            if self.word() in ends and not (self.word() == "end" and self.word(1) == ":="):
                return found
            node = self._one()
            if node is not None:
                found.append(node)

    def _one(self) -> Node | None:
        self._label()
        word = self.word()
        if word == ";":
            self.i += 1
            return None
        if word in ("begin", "declare"):
            return self._block()
        reader = getattr(self, f"_read_{word}", None) if word.isalpha() else None
        if reader is not None and self.word(1) not in (":=", "=", ".", "["):
            return reader()  # type: ignore[no-any-return]
        return self._plain()

    def _read_if(self) -> Node:
        node = Node("if", self._start())
        self.i += 1
        node.conds.append(self._until("then"))
        node.branches.append(self._list("elsif", "elseif", "else", "end"))
        while self.word() in ("elsif", "elseif"):
            self.i += 1
            node.conds.append(self._until("then"))
            node.branches.append(self._list("elsif", "elseif", "else", "end"))
        self._else(node)
        return node

    def _else(self, node: Node) -> None:
        if self.word() == "else":
            self.i += 1
            node.conds.append(None)
            node.branches.append(self._list("end"))
            node.exhaustive = True
        self._finish()

    def _finish(self) -> None:
        """Past `end if;`, `end case;`, `end loop label;`."""
        while self.i < len(self.tokens) and self.word() != ";":
            self.i += 1
        self.i += 1

    def _read_case(self) -> Node:
        node = Node("case", self._start())
        self.i += 1
        node.code = self._until("when") if self.word() != "when" else None
        if node.code is None:
            self.i += 1
        while True:
            node.conds.append(self._until("then"))
            node.branches.append(self._list("when", "else", "end"))
            if self.word() != "when":
                break
            self.i += 1
        self._else(node)
        node.exhaustive = True  # without ELSE an unlisted value raises
        return node

    def _read_loop(self) -> Node:
        return self._loop(Node("loop", self._start(), word="loop"))

    def _read_while(self) -> Node:
        node = Node("loop", self._start(), word="while")
        self.i += 1
        node.conds.append(self._until("loop"))
        self.i -= 1
        return self._loop(node)

    def _read_for(self) -> Node:
        node = Node("loop", self._start(), word="for")
        self.i += 1
        node.target = self._until("in").code.text.strip().lower()
        if self.word() == "reverse":
            self.i += 1
        node.code = self._until("loop")
        self.i -= 1
        return self._loop(node)

    def _read_foreach(self) -> Node:
        node = Node("loop", self._start(), word="foreach")
        self.i += 1
        node.target = self._until("in").tokens[0].word
        if self.word() == "array":
            self.i += 1
        node.code = self._until("loop")
        self.i -= 1
        return self._loop(node)

    def _loop(self, node: Node) -> Node:
        self.i += 1
        node.branches.append(self._list("end"))
        self._finish()
        return node

    def _read_return(self) -> Node:
        node = Node("return", self._start())
        self.i += 1
        if self.word() in ("query", "next"):
            node.word = self.word()
            self.i += 1
            if self.word() == "execute":
                node.word = "execute"
                self.i += 1
        node.code = self._until(";")
        return node

    def _read_raise(self) -> Node:
        node = Node("raise", self._start())
        self.i += 1
        quiet = self.word() in ("notice", "warning", "info", "log", "debug")
        node.word = self.word() if quiet else "exception"
        node.code = self._until(";")
        return node

    def _read_perform(self) -> Node:
        node = Node("perform", self._start())
        self.i += 1
        node.code = self._until(";")
        return node

    def _read_execute(self) -> Node:
        node = Node("execute", self._start())
        self.i += 1
        node.code = self._until(";")
        return node

    def _read_open(self) -> Node:
        node = Node("other", self._start(), word="open")
        piece = self._until(";")
        for i, token in enumerate(piece.tokens):
            if token.word == "for":
                dynamic = piece.word(i + 1) == "execute"
                node.kind = "execute" if dynamic else "sql"
                node.code = _sub(piece, i + 1 + dynamic, len(piece.tokens))
                return node
        node.code = piece
        return node

    def _read_exit(self) -> Node:
        return Node("exit", self._start(), word=self.word(), code=self._until(";"))

    def _read_continue(self) -> Node:
        return self._read_exit()

    def _other(self) -> Node:
        return Node("other", self._start(), word=self.word(), code=self._until(";"))

    _read_null = _read_get = _read_fetch = _read_move = _read_close = _read_assert = _read_commit = _read_rollback = _other

    def _plain(self) -> Node:
        """An assignment or an SQL statement."""
        start = self._start()
        piece = self._until(";")
        depth = 0
        for i, token in enumerate(piece.tokens):
            if token.kind == "op":
                depth += (token.word in "([") - (token.word in ")]")
                if depth == 0 and token.word in (":=", "="):
                    subscripts: list[Statement | None] = [_sub(piece, 1, i)] if any(t.word == "[" for t in piece.tokens[:i]) else []
                    target = piece.word(0) if subscripts else "".join(t.word for t in piece.tokens[:i])
                    return Node("assign", start, _sub(piece, i + 1, len(piece.tokens)), target=target, conds=subscripts)
                if token.word not in (".", "[", "]") and depth == 0:
                    break
            elif i and piece.tokens[i - 1].kind in ("name", "quoted"):
                break
        return Node("sql", start, piece)


def _sub(piece: Statement, first: int, last: int) -> Statement:
    """Tokens first..last of a statement as a statement of their own."""
    if last <= first:
        return Statement(piece.code.slice(0, 0), [])
    start, end = piece.tokens[first].start, piece.tokens[last - 1].end
    return Statement(
        piece.code.slice(start, end), [Token(t.kind, t.word, t.start - start, t.end - start) for t in piece.tokens[first:last]]
    )


sub = _sub


def read_body(code: Code) -> Node:
    """The tree of one PL/pgSQL body. Raises BodyError when the text is not one."""
    return Reader(code).read()
