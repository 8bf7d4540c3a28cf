"""SQLAlchemy: mapped classes, Core statements, and what a session does with rows."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from tollway.audit.model import Verb
from tollway.audit.python.modules import ClassInfo, Project
from tollway.audit.python.values import OPAQUE, Dict, Model, Query, Row, Rows, Seq, Statement, Texts, Value

VERBS: dict[str, Verb] = {"update": "update", "insert": "insert", "delete": "delete"}
ONE_ROW = {"first", "one", "one_or_none", "get", "scalar_one", "scalar_one_or_none", "scalar", "with_for_update"}
MANY_ROWS = {"all", "scalars", "yield_per", "fetchall", "partitions", "unique", "tuples", "execute", "exec", "stream_scalars"}
BULK: dict[str, Verb] = {"bulk_update_mappings": "update", "bulk_insert_mappings": "insert"}


def _string(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _assignments(node: ast.ClassDef) -> dict[str, ast.expr | None]:
    found: dict[str, ast.expr | None] = {}
    for stmt in node.body:
        if isinstance(stmt, ast.Assign):
            found.update({t.id: stmt.value for t in stmt.targets if isinstance(t, ast.Name)})
        elif isinstance(stmt, ast.AnnAssign) and isinstance(stmt.target, ast.Name):
            found[stmt.target.id] = stmt.value
    return found


def _schema(args: ast.expr | None) -> str | None:
    """`schema` of __table_args__, which is a dictionary or a tuple that ends with one."""
    if isinstance(args, ast.Tuple) and args.elts:
        args = args.elts[-1]
    if isinstance(args, ast.Dict):
        for key, value in zip(args.keys, args.values, strict=True):
            if _string(key) == "schema":
                return _string(value)
    return None


def _column_name(attribute: str, value: ast.expr | None) -> str | None:
    """The column of `attribute = mapped_column("name", ...)`, Column(...) or Field(...); None for anything else."""
    if not isinstance(value, ast.Call):
        return None
    function = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    if function not in {"Column", "mapped_column", "Field"}:
        return None
    return (_string(value.args[0]) if value.args else None) or attribute


def model_of(project: Project, info: ClassInfo) -> Model | None:
    """The mapping of a class, its bases' columns included; None when SQLAlchemy does not map it."""
    columns: dict[str, str] = {}
    relation = schema = None
    for part in reversed(lineage(project, info)):
        assigned = _assignments(part.node)
        for name, value in assigned.items():
            if (column := _column_name(name, value)) is not None:
                columns[name] = column
            elif value is None and not name.startswith("_"):
                columns.setdefault(name, name)  # `status: Mapped[str]`
        relation = _string(assigned.get("__tablename__")) or (None if part is not info else relation)
        schema = _schema(assigned.get("__table_args__")) or schema
        if any(k.arg == "table" and isinstance(k.value, ast.Constant) and k.value.value is True for k in part.node.keywords):
            relation = relation or part.name.lower()  # SQLModel
    if relation is None:
        return None
    return Model(info.name, f"{schema}.{relation}" if schema else relation, columns)


def lineage(project: Project, info: ClassInfo) -> list[ClassInfo]:
    """The class and its bases that were scanned, nearest first."""
    if info.dotted in project.lineages:
        return project.lineages[info.dotted]
    found, waiting = [info], [info]
    while waiting:
        current = waiting.pop(0)
        for base in current.node.bases:
            name = base.id if isinstance(base, ast.Name) else base.attr if isinstance(base, ast.Attribute) else ""
            local = current.module.classes.get(name)
            parent = local or project.class_(project.lookup(current.module.imports.get(name, "")))
            if parent is not None and parent not in found:
                found.append(parent)
                waiting.append(parent)
    project.lineages[info.dotted] = found
    return found


def table_of(args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    """`Table("name", metadata, schema="app")`."""
    name = _plain(args[0]) if args else None
    schema = _plain(kwargs["schema"]) if "schema" in kwargs else None
    return Model(name, f"{schema}.{name}" if schema else name, is_table=True) if name else OPAQUE


def _plain(value: Value) -> str | None:
    return value.options[0].plain if isinstance(value, Texts) and len(value.options) == 1 else None


def assigned(model: Model, args: Sequence[Value], kwargs: Mapping[str, Value]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Columns and known values of `.values(status="x")`, `.values({...})`, `.values([{...}])`, `Model(status="x")`."""
    given: list[tuple[str, Value]] = list(kwargs.items())
    for arg in args:
        for item in arg.items if isinstance(arg, Seq) else [arg]:
            if isinstance(item, Dict):
                given += [*item.items.items(), *([] if item.complete else [("*", OPAQUE)])]
            elif not isinstance(item, Row):
                given.append(("*", OPAQUE))
    columns = tuple(dict.fromkeys(model.columns.get(name, name) for name, _ in given))
    values = tuple((model.columns.get(name, name), shown) for name, value in given if (shown := _plain(value)) is not None)
    return columns, values


def statement_method(statement: Statement, method: str, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Statement:
    """The statement after `.values(...)`, `.on_conflict_do_update(set_=...)` or a method that adds no column."""
    if method == "values":
        columns, values = assigned(statement.model, args, kwargs)
    elif method == "on_conflict_do_update" and "set_" in kwargs:
        columns, values = assigned(statement.model, [kwargs["set_"]], {})
    else:
        return statement
    return Statement(
        statement.verb,
        statement.model,
        tuple(dict.fromkeys((*statement.columns, *columns))),
        tuple(dict.fromkeys((*statement.values, *values))),
        statement.origin,
    )


def query_method(query: Query | Rows, method: str) -> Value:
    """What a query or its result gives."""
    if method in ONE_ROW and not (method == "with_for_update" and isinstance(query, Query)):
        return Row(query.model)
    if method in MANY_ROWS:
        return Rows(query.model)
    return query


def row_of(value: Value) -> Value:
    """What a loop over the value yields."""
    if isinstance(value, Query | Rows):
        return Row(value.model)
    if isinstance(value, Seq) and value.items and all(v == value.items[0] for v in value.items):
        return value.items[0]
    return OPAQUE
