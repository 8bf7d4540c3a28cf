"""A scanner of PostgreSQL's tokens.

The parser's own scanner counts bytes, returns comments, and refuses a text with one bad token; this one works on any text,
also a half-built one, and knows the placeholders that SQL files carry for psql, drivers and templates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tollway.audit.load.code import Code

Kind = Literal["name", "quoted", "string", "dollar", "number", "param", "op", "hole", "meta"]

_SPACE = re.compile(r"(?:\s+|--[^\n]*)+")
_TOKEN = re.compile(
    r"""
    (?P<dollar>\$(?P<tag>[A-Za-z_\u0080-\uffff][\w]*|)\$)
  | (?P<string>(?:[eE]'(?:[^'\\]|\\.|'')*'|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'))
  | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
  | (?P<hole>%\(\w+\)[sbt]?|\{\{[^{}]*\}\}|\$\{[^{}]*\}|\{\w*\}|:"\w+"|:'\w+'|(?<![:\w\])])[:@][A-Za-z_]\w*|\$\(\w+\))
  | (?P<number>\d+(?:\.(?!\.)\d*)?(?:[eE][+-]?\d+)?|\.\d+)
  | (?P<param>\$\d+)
  | (?P<name>[A-Za-z_\u0080-\uffff][\w$]*)
  | (?P<op>:=|::|\.\.|=>|<<|>>|\|\||<>|!=|<=|>=|->>|->|[^\s])
    """,
    re.X | re.S,
)


@dataclass(frozen=True, slots=True)
class Token:
    """`word` is the lower-case text of a name or operator, the folded name of a quoted one, "" for others."""

    kind: Kind
    word: str
    start: int
    end: int


def _skip_comment(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        if text.startswith("/*", at):
            depth, at = depth + 1, at + 2
        elif text.startswith("*/", at):
            depth, at = depth - 1, at + 2
            if depth == 0:
                return at
        else:
            nearest = [p for p in (text.find("/*", at), text.find("*/", at)) if p >= 0]
            at = min(nearest) if nearest else len(text)
    return at


def scan(text: str, *, start: int = 0) -> list[Token]:
    """Every token that is not white space or a comment. Never fails: an odd character is an operator."""
    found: list[Token] = []
    at, size = start, len(text)
    while at < size:
        if space := _SPACE.match(text, at):
            at = space.end()
            continue
        if text.startswith("/*", at):
            at = _skip_comment(text, at)
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            break
        at = _add(found, match, text)
    return found


def _add(found: list[Token], match: re.Match[str], text: str) -> int:
    kind, start, end = str(match.lastgroup), match.start(), match.end()
    if kind == "tag":
        kind = "dollar"
    if kind == "dollar":
        tag = match.group("dollar")
        close = text.find(tag, end)
        end = len(text) if close < 0 else close + len(tag)
        found.append(Token("dollar", tag, start, end))
        return end
    word = match.group()
    if kind == "name" or kind == "op":
        word = word.lower()
    elif kind == "quoted":
        word = word[word.index('"') + 1 : -1].replace('""', '"')
    elif kind != "hole":
        word = ""
    found.append(Token(kind, word, start, end))  # type: ignore[arg-type]
    return end


def literal(code: Code, token: Token) -> list[Code]:
    """The contents of a string constant, in stretches that stand in the file as they are."""
    if token.kind == "dollar":
        tag = len(token.word)
        close = token.end - tag if code.text.endswith(token.word, 0, token.end) and token.end - token.start >= 2 * tag else token.end
        return [code.slice(token.start + tag, close)]
    raw = code.text[token.start : token.end]
    quote = raw.index("'")
    escapes = raw[:quote].lower() == "e"
    body, base = raw[quote + 1 : -1], token.start + quote + 1
    if "''" not in body and not (escapes and "\\" in body):
        return [code.slice(base, base + len(body))]
    return _unescape(code, body, base, escapes=escapes)


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _unescape(code: Code, body: str, base: int, *, escapes: bool) -> list[Code]:
    pieces: list[Code] = []
    run = at = 0
    while at < len(body):
        pair = body[at : at + 2]
        if pair == "''" or (escapes and pair[0] == "\\" and len(pair) == 2):
            pieces.append(code.slice(base + run, base + at))
            char = "'" if pair == "''" else _ESCAPES.get(pair[1], pair[1])
            pieces.append(Code(code.source, char, ((0, code.at(base + at)),), code.dynamic))
            at += 2
            run = at
        else:
            at += 1
    pieces.append(code.slice(base + run, base + len(body)))
    return [piece for piece in pieces if piece.text]
