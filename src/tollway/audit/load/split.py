"""A file's statements: psql's own lines and COPY data set aside, placeholders made readable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tollway.audit.load.code import Code, Source, join
from tollway.audit.load.tokens import Token, scan

_COPY = re.compile(r"(?ims)^(\s*copy\s[^;]*?\bfrom\s+stdin\b[^;]*;[^\n]*\n)(.*?)^\\\.[ \t\r]*$")
_META = re.compile(r"(?m)^[ \t]*\\[A-Za-z!?.][^\n]*$|\\g(?:exec|set|x)?\b[^\n;]*$")
_TEMPLATE = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.S)
_NAMED = frozenset({"schema", "from", "join", "into", "update", "table", "only", "database", "role", "to", "on", "exists"}) | frozenset(
    {"view", "index", "function", "procedure", "user", "owner", "references", "type"}
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its semicolon."""

    code: Code
    tokens: list[Token]

    def word(self, at: int) -> str:
        return self.tokens[at].word if -len(self.tokens) <= at < len(self.tokens) else ""


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def clean(text: str) -> str:
    """Blank out what the server never sees; lengths and lines stay."""
    if "\\." in text:
        text = _COPY.sub(lambda m: m.group(1) + _blank(m.group(0)[len(m.group(1)) :]), text)
    if "\\" in text:
        text = _META.sub(lambda m: _blank(m.group()), text)
    if "{%" in text or "{#" in text:
        text = _TEMPLATE.sub(lambda m: _blank(m.group()), text)
    return text


def fill(code: Code, values: Mapping[str, str]) -> Code:
    """Replace placeholders: by the configured text, by a name where a name must stand, else by a parameter."""
    tokens = scan(code.text)
    if not any(token.kind == "hole" for token in tokens):
        return code
    pieces: list[Code | tuple[str, int]] = []
    run = 0
    for i, token in enumerate(tokens):
        if token.kind == "hole":
            pieces.append(code.slice(run, token.start))
            pieces.append((_stand_in(tokens, i, values), code.at(token.start)))
            run = token.end
    pieces.append(code.slice(run, len(code.text)))
    return join((p for p in pieces if isinstance(p, tuple) or p.text), code.source, dynamic=code.dynamic)


def _stand_in(tokens: list[Token], i: int, values: Mapping[str, str]) -> str:
    raw = tokens[i].word
    name = re.sub(r"\W", "", raw.removesuffix("s") if raw.startswith("%(") else raw)
    if name in values:
        return values[name]
    if raw.startswith("%("):
        return "$1"
    if raw.startswith(":'"):
        return f"'{name}'"
    if raw.startswith((':"', "{", "$")):
        return name.lower() or "__hole__"
    before = tokens[i - 1].word if i else ""
    after = tokens[i + 1].word if i + 1 < len(tokens) else ""
    return name.lower() if before in _NAMED or before == "." or after == "." else "$1"


def statements(source: Source, values: Mapping[str, str]) -> Iterator[Statement]:
    """The statements of one text, in order."""
    text = clean(source.text)
    code = fill(Code(source, text, ((0, 0),)), values)
    yield from split(code)


def split(code: Code) -> Iterator[Statement]:
    """Cut at semicolons, but not inside parentheses or `begin atomic ... end`."""
    tokens = scan(code.text)
    start = depth = atomic = 0
    for i, token in enumerate(tokens):
        word = token.word if token.kind in ("op", "name") else ""
        if word == "(":
            depth += 1
        elif word == ")":
            depth = max(depth - 1, 0)
        elif word == "atomic" and i and tokens[i - 1].word == "begin":
            atomic = 1
        elif word == "case" and atomic:
            atomic += 1
        elif word == "end" and atomic:
            atomic -= 1
        elif word == ";" and depth == 0 and atomic == 0:
            if i > start:
                yield _cut(code, tokens[start:i])
            start = i + 1
    if start < len(tokens):
        yield _cut(code, tokens[start:])


def _cut(code: Code, tokens: list[Token]) -> Statement:
    first, last = tokens[0].start, tokens[-1].end
    moved = [Token(t.kind, t.word, t.start - first, t.end - first) for t in tokens]
    return Statement(code.slice(first, last), moved)


def statement(code: Code) -> Statement:
    """Treat a text as one statement."""
    return Statement(code, scan(code.text))
