"""What Python's ways to put a string together make of texts with holes: %, format, join."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from tollway.audit.python.values import MAX_ALTERNATIVES, OPAQUE, Dict, Piece, Seq, Text, Texts, Value, as_texts, concat, hole

PERCENT = re.compile(r"%(?:\((\w+)\))?[-#0 +]*\d*(?:\.\d+)?[sdrif]|%%")
BRACES = re.compile(r"\{\{|\}\}|\{([^{}!:]*)(?:![rsa])?(?::[^{}]*)?\}")


def _substitute(text: Text, pattern: re.Pattern[str], fill: Callable[[re.Match[str], int], Value | str]) -> Texts:
    """Replace each match inside the literal pieces; the rest keeps its place in the source."""
    parts: list[Value] = []
    index = 0
    for piece in text.pieces:
        if piece.text is None:
            parts.append(Texts((Text((piece,)),)))
            continue
        last = 0
        for match in pattern.finditer(piece.text):
            parts.append(Texts((Text((Piece(piece.text[last : match.start()], piece.source),)),)))
            last = match.end()
            filled = fill(match, index)
            if isinstance(filled, str):
                parts.append(Texts((Text((Piece(filled, piece.source),)),)))
            else:
                parts.append(filled)
                index += 1
        parts.append(Texts((Text((Piece(piece.text[last:], piece.source),)),)))
    found = concat(parts)
    return Texts(tuple(Text(o.pieces, text.sql) for o in found.options)) if text.sql else found


def _each(texts: Texts, change: Callable[[Text], Texts]) -> Texts:
    return Texts(tuple(o for text in texts.options for o in change(text).options)[:MAX_ALTERNATIVES])


def percent(texts: Texts, right: Value) -> Texts:
    """`text % right`."""

    def fill(match: re.Match[str], index: int) -> Value | str:
        if match.group(0) == "%%":
            return "%"
        if match.group(1):
            return right.items.get(match.group(1), OPAQUE) if isinstance(right, Dict) else hole()
        if isinstance(right, Seq):
            return right.items[index] if right.complete and index < len(right.items) else hole()
        return right if index == 0 else hole()

    return _each(texts, lambda text: _substitute(text, PERCENT, fill))


def format_(texts: Texts, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Texts:
    """`text.format(*args, **kwargs)`, of a string or of psycopg's sql.SQL."""

    def fill(match: re.Match[str], index: int) -> Value | str:
        if match.group(1) is None:
            return match.group(0)[0]
        name = re.split(r"[.\[]", match.group(1))[0]
        if not name:
            return args[index] if index < len(args) else hole()
        if name.isdigit():
            return args[int(name)] if int(name) < len(args) else hole()
        return kwargs.get(name, OPAQUE)

    if all(text.sql for text in texts.options):
        args, kwargs = [_composed(a) for a in args], {k: _composed(v) for k, v in kwargs.items()}
    return _each(texts, lambda text: _substitute(text, BRACES, fill))


def join(separator: Texts, parts: Value) -> Texts:
    """`separator.join(parts)`. A list that may have other items too is taken with all that are known: the widest reading."""
    if not isinstance(parts, Seq) or (not parts.items and not parts.complete):
        return hole()
    woven: list[Value] = []
    certain = any(o.sql for o in separator.options)
    for index, item in enumerate(_composed(i) if certain else i for i in parts.items):
        woven += [separator, item] if index else [item]
    found = concat(woven)
    return Texts(tuple(Text(o.pieces, o.sql or certain) for o in found.options))


def identifier(parts: Sequence[Value]) -> Texts:
    """sql.Identifier("schema", "table"): quoted, so that a keyword stays a name."""
    woven: list[Value] = []
    for index, part in enumerate(parts):
        dot = Texts((Text((Piece("."),)),))
        quote = Texts((Text((Piece('"'),)),))
        woven += [*([dot] if index else []), quote, as_texts(part), quote]
    found = concat(woven)
    return Texts(tuple(Text(o.pieces, sql=True) for o in found.options))


def literal(value: Value) -> Texts:
    """sql.Literal(x): a known text in quotes; anything else is a value that only the program knows."""
    if not isinstance(value, Texts) or any(o.plain is None for o in value.options):
        return hole(literal=True)
    return Texts(tuple(o for option in value.options for o in constant(option.plain).options))


def constant(value: object) -> Texts:
    """A constant as SQL writes it."""
    quoted = "'" + value.replace("'", "''") + "'" if isinstance(value, str) else ""
    shown = quoted or ("null" if value is None else str(value).lower() if isinstance(value, bool | int) else "")
    return Texts((Text((Piece(shown),), sql=True),)) if shown else hole(literal=True)


def _composed(value: Value) -> Value:
    """What psycopg makes of an argument that is no SQL: a literal."""
    return literal(value) if isinstance(value, Texts) and not any(o.sql or o.plain is None for o in value.options) else value


def marked_sql(value: Value) -> Texts:
    """sql.SQL(x), text(x): certainly SQL."""
    return Texts(tuple(Text(o.pieces, sql=True) for o in as_texts(value).options))
