"""Mutants of conditions: an epoch that is not compared, a check that never refuses, a branch never taken, a WHERE that asks for less."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mutants.text import Function, Span, terms, tokens, trimmed, until

Edit = tuple[Span, str]

_OPERAND = r"(?:\(\w+\.\w+\)|\b\w+)(?:\.\w+)*(?:\([^()]*\))?"
_COMPARED = re.compile(rf"({_OPERAND})\s*(=|<>|<|is distinct from)\s*({_OPERAND}(?:\s*\+\s*\([^()]*\)::integer)?)")
_CHECK = re.compile(r"absurd\._check_epoch\([^()]*\)")
_REFUSES = re.compile(r"\braise\b|_raise_|_check_run_not_over|\breturn\b|\bcontinue\b")
_CLAUSE_ENDS = frozenset(
    ["order", "group", "limit", "for", "returning", "union", "on", "loop", "then", "window", "offset", "having", "set"]
)


def epochs(masked: str, function: Function) -> Iterator[Edit]:
    """Each call of _check_epoch, and each comparison of one epoch with another."""
    for call in _CHECK.finditer(masked, function.body.start, function.body.end):
        yield Span(call.start(), call.end()), "null::text"
    for found in _COMPARED.finditer(masked, function.body.start, function.body.end):
        if "epoch" not in found[1] or "epoch" not in found[3] or re.match(r"\s*\+", masked[found.end() :]):
            continue  # "claim_epoch = t.claim_epoch + 1" gives one, and compares none
        yield Span(found.start(), found.end()), "true" if found[2] == "=" else "false"


def guards(masked: str, function: Function) -> Iterator[Edit]:
    """Each IF that refuses or ends early never does; of a chain of OR, each operand."""
    body = list(tokens(masked, function.body))
    for i, (word, _, end) in enumerate(body):
        if word not in ("if", "elsif") or (word == "if" and i and body[i - 1][0] == "end"):
            continue
        then = until(masked, end, function.body.end, frozenset({"then"}))
        branch = masked[then : _branch_end(masked, then + 4, function.body.end)]
        if not _REFUSES.search(branch):
            continue
        condition = trimmed(masked, end, then)
        for part in _each_of(masked, condition):
            if not _COMPARED.fullmatch(part.of(masked)) or "epoch" not in part.of(masked):  # those are named for what they are
                yield part, "false"


def _each_of(masked: str, condition: Span) -> list[Span]:
    return terms(masked, condition, "or")


def _branch_end(masked: str, start: int, end: int) -> int:
    depth = 0
    previous = ""
    for token, at, _ in tokens(masked, Span(start, end)):
        if token in ("if", "case", "loop", "begin") and previous != "end":
            depth += 1
        elif token == "end":
            if not depth:
                return at
            depth -= 1
        elif token in ("elsif", "else") and not depth:
            return at
        previous = token
    return end


def cases(masked: str, function: Function) -> Iterator[Edit]:
    """Each WHEN of a CASE with conditions of its own."""
    body = list(tokens(masked, function.body))
    for i, (word, _, end) in enumerate(body):
        if word != "when" or body[i - 1][0] in ("exit", "exception", "continue"):
            continue
        then = until(masked, end, function.body.end, frozenset({"then"}))
        condition = trimmed(masked, end, then)
        piece = condition.of(masked)
        if masked[then : then + 4] == "then" and re.search(r"=|<|>|\bis\b|\bin\b|\bor\b|exists|_", piece) and not piece.startswith("~"):
            yield condition, "false"


def conjuncts(masked: str, function: Function) -> Iterator[Edit]:
    """Each operand of AND in each WHERE."""
    for word, _, end in tokens(masked, function.body):
        if word != "where":
            continue
        clause = trimmed(masked, end, until(masked, end, function.body.end, _CLAUSE_ENDS))
        for part in terms(masked, clause, "and"):
            if not re.search(r"epoch\s*(=|<>)", part.of(masked)):
                yield part, "true"
