"""What variables hold: the values that arrays, queries and loops give, and what holds where paths meet."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.load.code import Code
from tollway.audit.load.split import Statement
from tollway.audit.parse.names import HOLE, close_of, commas
from tollway.audit.parse.plpgsql import Node
from tollway.audit.resolve.evaluate import LIMIT, Env, Evaluator, Inline, Value, using_at

_QUERY_ENDS = frozenset({"from", "where", "group", "order", "limit", "union", "into", "having", "for", "offset"})
_INTO = frozenset({"select", "with", "update", "delete", "insert", "merge", "values"})


def unknown(code: Code) -> Code:
    return Code(code.source, HOLE, ((0, code.at(0)),), dynamic=True)


def merge(envs: list[Env]) -> Env:
    """What variables can hold where paths meet. One that is not set on a path is NULL there, and runs nothing."""
    merged: dict[str, dict[tuple[object, ...], Code]] = {}
    for env in envs:
        for name, values in env.items():
            merged.setdefault(name, {}).update({(v.text, v.parts): v for v in values})
    return {name: list(texts.values())[:LIMIT] for name, texts in merged.items()}


def forget(env: Env, name: str, code: Code) -> None:
    """The variable, and the fields of a record, hold something that is not known."""
    for key in [k for k in env if k.startswith(f"{name}.")]:
        del env[key]
    env.pop(f"{name}[]", None)
    env[name] = [unknown(code)]


def elements(code: Statement, env: Env, inline: Inline) -> Value:
    """The constants of an array: ARRAY[...], '{a,b}', string_to_array('a,b', ','), or a variable that holds one."""
    return Evaluator(code, env, inline).elements(0, len(code.tokens))


def assign(env: Env, name: str, code: Statement, inline: Inline) -> None:
    """The variable holds what an expression can be."""
    values = elements(code, env, inline)
    texts = Evaluator(code, env, inline).value() if not values else [unknown(code.code)]
    forget(env, name, code.code)
    env[name] = texts
    if values:
        env[f"{name}[]"] = values


def into(code: Statement, env: Env, inline: Inline) -> Env:
    """`select expr into v`: v holds what expr can be. Any other INTO makes its targets unknown."""
    depth = 0
    for i, token in enumerate(code.tokens):
        depth += (token.kind == "op") * ((token.word in ("(", "[")) - (token.word in (")", "]")))
        if depth == 0 and token.kind == "name" and token.word == "into" and code.word(0) in _INTO:
            if code.word(0) in ("insert", "merge") and i == 1:
                continue
            return _bind(code, i, env, inline)
    return env


def _bind(code: Statement, i: int, env: Env, inline: Inline) -> Env:
    env = dict(env)
    at = i + 1 + (code.word(i + 1) == "strict")
    targets = [code.word(at)]
    while code.word(at + 1) == ",":
        at += 2
        targets.append(code.word(at))
    plain = code.word(0) == "select"
    start, stop = (1, i) if plain else (0, 0)
    if plain and i == 1:
        ends = [k for k in range(at + 1, len(code.tokens)) if code.word(k) == "from"]
        start, stop = at + 1, ends[0] if ends else len(code.tokens)
    given = commas(code.tokens, start, stop)
    values = [Evaluator(code, env, inline).value(*pair) for pair in given] if plain else []
    for k, target in enumerate(targets):
        forget(env, target, code.code)
        if len(values) == len(targets):
            env[target] = values[k]
    return env


def executed_into(code: Statement, env: Env) -> Env:
    """What the INTO of an EXECUTE fills is not known."""
    at = using_at(code)
    if code.word(at) != "into":
        return env
    env = dict(env)
    for token in code.tokens[at + 1 :]:
        if token.kind == "name":
            forget(env, token.word, code.code)
        if token.word == "using":
            break
    return env


def select_items(code: Statement) -> Iterator[tuple[str, int, int]]:
    """(name, first, last) of the expressions that a query gives; the name is "" where it has none."""
    if code.word(0) != "select":
        return
    first = 1 + (code.word(1) in ("distinct", "all"))
    for a, b in commas(code.tokens, first, _clause(code, first)):
        named = b - a > 2 and code.word(b - 2) == "as"
        plain = all(t.kind in ("name", "quoted") or t.word == "." for t in code.tokens[a:b])
        yield (code.word(b - 1) if named or plain else ""), a, b - 2 * named


def _clause(code: Statement, first: int) -> int:
    depth = 0
    for i in range(first, len(code.tokens)):
        token = code.tokens[i]
        depth += (token.kind == "op") * ((token.word in ("(", "[")) - (token.word in (")", "]")))
        if depth == 0 and token.kind == "name" and token.word in _QUERY_ENDS:
            return i
    return len(code.tokens)


def bind_row(env: Env, targets: list[str], code: Statement, inline: Inline) -> None:
    """Let loop variables hold what the rows of a query can have in their columns."""
    given = _columns(code, env, inline)
    for target in targets:
        forget(env, target, code.code)
    for k, (name, values) in enumerate(given):
        if len(targets) == len(given) and (len(targets) > 1 or not name):
            env[targets[k]] = values
        elif len(targets) == 1:
            env[f"{targets[0]}.{name}"] = values
    if len(given) == len(targets) == 1:
        env[targets[0]] = given[0][1]


def bind_loop(env: Env, node: Node, inline: Inline) -> None:
    """Let the variable of a loop over an array or a query hold what it can."""
    assert node.code is not None
    targets = [t.strip() for t in node.target.split(",")]
    if node.word == "foreach":
        forget(env, targets[0], node.code.code)
        env[targets[0]] = elements(node.code, env, inline) or env[targets[0]]
    else:
        bind_row(env, targets, node.code, inline)


def _columns(code: Statement, env: Env, inline: Inline) -> list[tuple[str, Value]]:
    if code.word(0) == "values":
        return [(f"column{k}", v) for k, v in enumerate(_rows(code, 1, env, inline), 1)]
    known = {**env, **dict(_sources(code, env, inline))}
    items = list(select_items(code))
    if [code.word(a) for _, a, b in items if b == a + 1] == ["*"]:
        return [(name, values) for name, values in _sources(code, env, inline) if "." not in name]
    evaluator = Evaluator(code, known, inline)
    return [(name, evaluator.value(a, b)) for name, a, b in items]


def _sources(code: Statement, env: Env, inline: Inline) -> Iterator[tuple[str, Value]]:
    """Columns that FROM makes of constants: `(values ...) t(a, b)` and `unnest(array[...]) x`."""
    for i in range(len(code.tokens) - 1):
        if code.word(i) == "(" and code.word(i + 1) == "values":
            columns = _rows(code, i + 2, env, inline)
        elif code.word(i) in ("unnest", "string_to_table", "regexp_split_to_table") and code.word(i + 1) == "(" and i:
            columns = [Evaluator(code, env, inline).value(i, close_of(code.tokens, i + 1) + 1)]
            i += 1
        else:
            continue
        at = close_of(code.tokens, i) + 1
        at += code.word(at) == "as"
        alias = code.word(at) if at < len(code.tokens) and code.tokens[at].kind in ("name", "quoted") else ""
        names = [f"column{k}" for k in range(1, len(columns) + 1)] if len(columns) > 1 else [alias or "unnest"]
        if alias and code.word(at + 1) == "(":
            names = [code.word(a) for a, _ in commas(code.tokens, at + 2, close_of(code.tokens, at + 1))]
        for name, values in zip(names, columns, strict=False):
            yield name, values
            yield f"{alias}.{name}", values


def _rows(code: Statement, at: int, env: Env, inline: Inline) -> list[Value]:
    """The columns of a VALUES list."""
    columns: list[Value] = []
    evaluator = Evaluator(code, env, inline)
    while code.word(at) == "(":
        close = close_of(code.tokens, at)
        for k, (a, b) in enumerate(commas(code.tokens, at + 1, close)):
            columns += [[]] if k >= len(columns) else []
            columns[k] = (columns[k] + evaluator.value(a, b))[:LIMIT]
        at = close + 1 + (code.word(close + 1) == ",")
    return columns


def assigned(nodes: list[Node]) -> set[str]:
    """The variables that := sets in statements."""
    found: set[str] = set()
    for node in nodes:
        if node.kind == "assign":
            found.add(node.target)
        for branch in (*node.branches, *node.handlers):
            found |= assigned(branch)
    return found


def filled(node: Node) -> Iterator[str]:
    """The variables that FETCH, GET DIAGNOSTICS or an argument of CALL fill."""
    code = node.code
    if code is None:
        return
    words = [t.word for t in code.tokens]
    if node.word == "get":
        yield from (words[i - 1] for i, word in enumerate(words) if word in (":=", "=") and i)
    elif node.word in ("fetch", "move") and "into" in words:
        yield from (w for w in words[words.index("into") + 1 :] if w != ",")
    elif words[:1] == ["call"] and "(" in words:
        open_ = words.index("(")
        yield from (words[a] for a, b in commas(code.tokens, open_ + 1, close_of(code.tokens, open_)) if b == a + 1)
