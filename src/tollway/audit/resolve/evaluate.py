"""Symbolic evaluation of string expressions. A value is a list of texts it can be; an unknown stretch is a hole."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice, product

from tollway.audit.load.code import Code, join
from tollway.audit.load.split import Statement
from tollway.audit.load.tokens import Token, literal
from tollway.audit.parse.names import HOLE, close_of, commas, name_at, short

Value = list[Code]
Env = dict[str, Value]
Argument = tuple[str, Value]
"""Of a call: its name, "" where it is given by its place, and what it can be."""
Inline = Callable[[str, list[Argument]], Value | None]

LIMIT = 24
"""How many texts a value may have; the rest is given up as a hole by the caller's merge."""

_SPEC = re.compile(r"%(?:(\d+)\$)?-?(?:\*|\d+)?([sIL%])")
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_SAME = frozenset(
    {"string_agg", "array_agg", "array", "trim", "btrim", "ltrim", "rtrim", "nullif", "text", "varchar", "regclass", "min", "max"}
)


def _no_inline(_name: str, _args: list[Argument]) -> Value | None:
    return None


@dataclass(slots=True)
class Evaluator:
    """Evaluates expressions of one statement against the variables known before it."""

    stmt: Statement
    env: Mapping[str, Value] = field(default_factory=dict)
    inline: Inline = _no_inline

    def value(self, first: int = 0, last: int | None = None) -> Value:
        """What tokens first..last can be."""
        tokens = self.stmt.tokens
        last = len(tokens) if last is None else last
        while last - first > 2 and tokens[first].word == "(" and close_of(tokens, first) == last - 1:
            first, last = first + 1, last - 1
        if first >= last:
            return [self._hole(first)]
        if tokens[first].kind == "name" and tokens[first].word == "select":
            return self._query(first, last)
        parts = self._concat(first, last)
        if len(parts) > 1:
            return self._join([self.value(a, b) for a, b in parts])
        return self._single(first, last)

    def _query(self, first: int, last: int) -> Value:
        """The first expression of a subquery."""
        depth = 0
        for i in range(first + 1, last):
            depth += _opens(self.stmt.tokens[i])
            if depth == 0 and self.stmt.tokens[i].kind == "name" and self.stmt.tokens[i].word in ("from", "where", "as", "limit", "order"):
                return self.value(first + 1, i)
        return self.value(first + 1, last)

    def elements(self, first: int, last: int) -> Value:
        """The constants of an array; [] when it is none, or not known."""
        tokens, last = self.stmt.tokens, self._strip_cast(first, last)
        while last - first > 2 and tokens[first].word == "(" and close_of(tokens, first) == last - 1:
            first, last = first + 1, self._strip_cast(first + 1, last - 1)
        if first >= last:
            return []
        head = tokens[first]
        if head.kind == "name" and head.word == "array" and self.stmt.word(first + 1) == "[" and close_of(tokens, first + 1) == last - 1:
            return [v for a, b in commas(tokens, first + 2, last - 1) for v in self.value(a, b)][:LIMIT]
        if last == first + 1 and head.kind == "name":
            return list(self.env.get(f"{head.word}[]", ()))
        if last == first + 1 and head.kind == "string":
            text = self._strings(first, last)[0]
            return self._pieces(text.slice(1, len(text.text) - 1), ",") if text.text[:1] == "{" and text.text[-1:] == "}" else []
        if head.word in ("string_to_array", "string_to_table", "regexp_split_to_table") and self.stmt.word(first + 1) == "(":
            args = commas(tokens, first + 2, last - 1)
            texts, separators = self.value(*args[0]), self.value(*args[1]) if len(args) > 1 else []
            known = len(texts) == len(separators) == 1 and HOLE not in texts[0].text + separators[0].text and separators[0].text
            return self._pieces(texts[0], separators[0].text) if known else []
        return []

    def _pieces(self, text: Code, separator: str) -> Value:
        found, at = [], 0
        for piece in text.text.split(separator):
            lead = len(piece) - len(piece.lstrip())
            found.append(text.slice(at + lead, at + len(piece.rstrip())))
            at += len(piece) + len(separator)
        return found[:LIMIT]

    def _hole(self, i: int) -> Code:
        tokens = self.stmt.tokens
        at = tokens[min(i, len(tokens) - 1)].start if tokens else 0
        return Code(self.stmt.code.source, HOLE, ((0, self.stmt.code.at(at)),), dynamic=True)

    def _text(self, text: str, i: int) -> Code:
        return Code(self.stmt.code.source, text, ((0, self.stmt.code.at(self.stmt.tokens[i].start)),), dynamic=True)

    def _join(self, values: list[Value]) -> Value:
        source = self.stmt.code.source
        return [join(pieces, source, dynamic=True) for pieces in islice(product(*values), LIMIT)]

    def _concat(self, first: int, last: int) -> list[tuple[int, int]]:
        """The operands of `||` outside parentheses and CASE."""
        found, depth, cases, start = [], 0, 0, first
        for i in range(first, last):
            word = self.stmt.tokens[i].word if self.stmt.tokens[i].kind in ("op", "name") else ""
            depth += (word in ("(", "[")) - (word in (")", "]"))
            cases += (word == "case") - (word == "end")
            if word == "||" and depth == 0 and cases == 0:
                found.append((start, i))
                start = i + 1
        found.append((start, last))
        return found

    def _single(self, first: int, last: int) -> Value:
        tokens = self.stmt.tokens
        head = tokens[first]
        end = self._strip_cast(first, last)
        if end < last:
            return self.value(first, end)
        if head.kind in ("string", "dollar"):
            return self._strings(first, last)
        if head.kind == "param" and last == first + 1:
            return self._variable(self.stmt.code.text[head.start : head.end], first)
        if head.kind == "number" and last == first + 1:
            return [self._text(self.stmt.code.text[head.start : head.end], first)]
        if head.kind == "name" and head.word == "case":
            return self._case(first, last)
        if head.kind == "name" and head.word == "null" and last == first + 1:
            return [self._text("", first)]
        name, after = name_at(tokens, first)
        if name and after == last:
            return self._variable(name, first)
        if name and tokens[after].word == "(" and close_of(tokens, after) == last - 1:
            return self._call(name, first, after, last)
        return [self._hole(first)]

    def _strip_cast(self, first: int, last: int) -> int:
        depth = 0
        for i in range(first, last):
            word = self.stmt.tokens[i].word if self.stmt.tokens[i].kind == "op" else ""
            depth += (word in ("(", "[")) - (word in (")", "]"))
            if word == "::" and depth == 0:
                return i
        return last

    def _strings(self, first: int, last: int) -> Value:
        """One constant, or several on successive lines, which are one."""
        if any(t.kind not in ("string", "dollar") for t in self.stmt.tokens[first:last]):
            return [self._hole(first)]
        pieces = [piece for t in self.stmt.tokens[first:last] for piece in literal(self.stmt.code, t)]
        return [join(pieces, self.stmt.code.source, dynamic=True)]

    def _variable(self, name: str, i: int) -> Value:
        known = self.env.get(name)  # [] is NULL
        return [self._hole(i)] if known is None else list(known)

    def _case(self, first: int, last: int) -> Value:
        tokens, found = self.stmt.tokens, []
        start, cases, depth, other = -1, 0, 0, False
        for i in range(first, last):
            word = tokens[i].word if tokens[i].kind in ("op", "name") else ""
            depth += (word in ("(", "[")) - (word in (")", "]"))
            if word == "case":
                cases += 1
            elif cases == 1 and depth == 0 and word in ("then", "else", "when", "end"):
                if start >= 0:
                    found += self.value(start, i)
                start = i + 1 if word in ("then", "else") else -1
                other |= word == "else"
                cases -= word == "end"
            elif word == "end":
                cases -= 1
        return found[:LIMIT] or [self._hole(first)]

    def _call(self, name: str, first: int, paren: int, last: int) -> Value:
        args = commas(self.stmt.tokens, paren + 1, last - 1)
        word = short(name)
        if word == "format" and args:
            return self._format(args)
        if word in ("concat", "concat_ws", "array_to_string") and args:
            return self._glued(word, args)
        if word == "coalesce":
            return [alternative for a, b in args for alternative in self.value(a, b)][:LIMIT]
        if word in _SAME and args:
            return self.value(*args[0])
        if word == "quote_ident" and args:
            return [self._identifier(v, first) for v in self.value(*args[0])]
        if word in ("unnest", "string_to_table", "regexp_split_to_table"):
            return self.elements(*((first, last) if word != "unnest" else args[0])) or [self._hole(first)]
        if word in ("quote_literal", "quote_nullable") and args:
            return [self._quoted(v, first) for v in self.value(*args[0])]
        if word in ("replace", "upper", "left", "substr", "substring"):
            return self._replace(args, first) if word == "replace" else [self._hole(first)]
        if word == "lower" and args:
            return [replace(v, text=v.text.lower()) for v in self.value(*args[0])]
        inlined = self.inline(name, [self._argument(a, b) for a, b in args])
        return [self._here(v, first) for v in inlined or ()] or [self._hole(first)]

    def _argument(self, a: int, b: int) -> Argument:
        named = b - a > 2 and self.stmt.word(a + 1) in ("=>", ":=")
        return (self.stmt.word(a), self.value(a + 2, b)) if named else ("", self.value(a, b))

    def _here(self, value: Code, i: int) -> Code:
        """A text of another file stands, as a whole, where it is asked for."""
        if value.source is self.stmt.code.source:
            return value
        at = self.stmt.code.at(self.stmt.tokens[i].start)
        return Code(self.stmt.code.source, value.text, tuple((k, at) for k in range(len(value.text))) or ((0, at),), dynamic=True)

    def _glued(self, word: str, args: list[tuple[int, int]]) -> Value:
        """concat, concat_ws and array_to_string, for which NULL is nothing."""
        if word == "array_to_string":
            return self._array_text(args)
        separator = [self.value(*args[0])] if word == "concat_ws" else []
        values: list[Value] = []
        for a, b in args[len(separator) :]:
            values += [*separator, self._or_empty(a, b)] if values else [self._or_empty(a, b)]
        return self._join(values)

    def _or_empty(self, a: int, b: int) -> Value:
        return self.value(a, b) or [self._text("", a)]

    def _array_text(self, args: list[tuple[int, int]]) -> Value:
        """array_to_string: of an ARRAY[...], of what a query gives, or of a list that is not known."""
        (a, b), separator = args[0], self.value(*args[1])
        if self.stmt.word(a) == "array" and self.stmt.word(a + 1) == "[":
            values: list[Value] = []
            for x, y in commas(self.stmt.tokens, a + 2, close_of(self.stmt.tokens, a + 1)):
                values += [separator, self._or_empty(x, y)] if values else [self._or_empty(x, y)]
            return self._join(values)
        known = self.elements(a, b)
        if known:
            return self._join([v for k, piece in enumerate(known) for v in ([separator, [piece]] if k else [[piece]])])
        return self.value(a, b)

    def _replace(self, args: list[tuple[int, int]], first: int) -> Value:
        if len(args) != 3:
            return [self._hole(first)]
        subject, old, new = (self.value(a, b) for a, b in args)
        found: Value = []
        for text, a, b in islice(product(subject, old, new), LIMIT):
            pieces = text.text.split(a.text) if a.text and HOLE not in a.text else [text.text]
            built: list[Code | tuple[str, int]] = []
            at = 0
            for k, piece in enumerate(pieces):
                if k:
                    built.append(b)
                built.append(text.slice(at, at + len(piece)))
                at += len(piece) + len(a.text)
            found.append(join(built, self.stmt.code.source, dynamic=True))
        return found

    def _quoted(self, value: Code, i: int) -> Code:
        if "'" in value.text:
            return self._text("'" + value.text.replace("'", "''") + "'", i)
        quote = ("'", value.at(0))
        return join([quote, value, quote], self.stmt.code.source, dynamic=True)

    def _identifier(self, value: Code, i: int) -> Code:
        if _PLAIN.fullmatch(value.text):
            return value
        return self._text('"' + value.text.replace('"', '""') + '"', i)

    def _format(self, args: list[tuple[int, int]]) -> Value:
        found: Value = []
        given = [self.value(a, b) for a, b in args[1:]]
        for template in self.value(*args[0]):
            pieces: list[Value] = []
            at = nth = 0
            for match in _SPEC.finditer(template.text):
                pieces.append([template.slice(at, match.start())])
                at = match.end()
                if match.group(2) == "%":
                    pieces.append([template.slice(match.start(), match.start() + 1)])
                    continue
                nth = int(match.group(1)) if match.group(1) else nth + 1
                i = args[nth][0] if nth < len(args) else args[0][0]
                choice = given[nth - 1] if 0 < nth <= len(given) else [self._hole(i)]
                pieces.append([self._render(match.group(2), v, i) for v in choice] or [self._text("", i)])
            pieces.append([template.slice(at, len(template.text))])
            found += self._join(pieces)
        return found[:LIMIT]

    def _render(self, how: str, value: Code, i: int) -> Code:
        return self._identifier(value, i) if how == "I" else self._quoted(value, i) if how == "L" else value


def using_at(stmt: Statement) -> int:
    """Where the expression of an EXECUTE ends: at INTO or USING outside parentheses."""
    depth = 0
    for i, token in enumerate(stmt.tokens):
        depth += _opens(token)
        if depth == 0 and token.kind == "name" and token.word in ("using", "into"):
            return i
    return len(stmt.tokens)


def _opens(token: Token) -> int:
    if token.kind != "op":
        return 0
    return (token.word in ("(", "[")) - (token.word in (")", "]"))
