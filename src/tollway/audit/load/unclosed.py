"""A text that ends inside of something: all that follows the opening mark is one statement, or none, and would be lost without a word."""

from __future__ import annotations

from tollway.audit.load.code import Code, Source
from tollway.audit.load.tokens import Token
from tollway.audit.model import TOP_LEVEL, Span, Unknown


def unclosed(source: Source, text: str, tokens: list[Token]) -> Unknown | None:
    """The mark that nothing closes; `text` is the source's, cleaned."""
    found = _quote(tokens, text) or _parenthesis(tokens) or _comment(text, tokens[-1].end if tokens else 0)
    if found is None:
        return None
    at, what = found
    place = Code(source, text, ((0, 0),)).span(at)
    return Unknown("unparsed", TOP_LEVEL, Span(place.file, place.line, place.col), f"{what} is never closed: what follows is not read")


def _quote(tokens: list[Token], text: str) -> tuple[int, str] | None:
    for token in tokens:
        if token.kind == "op" and token.word in ("'", '"'):
            return token.start, "a string" if token.word == "'" else "a quoted name"
        if token.kind == "dollar" and not (text.endswith(token.word, 0, token.end) and token.end - token.start >= 2 * len(token.word)):
            return token.start, f"the string {token.word}"
    return None


def _parenthesis(tokens: list[Token]) -> tuple[int, str] | None:
    opened: list[int] = []
    for token in tokens:
        if token.kind == "op" and token.word == "(":
            opened.append(token.start)
        elif token.kind == "op" and token.word == ")" and opened:
            opened.pop()
    return (opened[0], "a parenthesis") if opened else None


def _comment(text: str, after: int) -> tuple[int, str] | None:
    """The scanner takes a comment without an end for one that goes on to the end: then it stands behind the last token."""
    rest = "\n".join(line.partition("--")[0].ljust(len(line)) for line in text[after:].split("\n"))
    if rest.count("/*") > rest.count("*/"):
        return after + rest.index("/*"), "a comment"
    return None
