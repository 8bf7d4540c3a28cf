"""An input that a workflow would take, for the commands that `tollway dev` prints."""

from __future__ import annotations

from typing import Any

import orjson

from tollway.workflow import Workflow

FORMATS = {
    "date-time": "2030-01-01T00:00:00Z", "date": "2030-01-01", "time": "12:00:00", "duration": "PT1H",
    "uuid": "00000000-0000-4000-8000-000000000000",
}  # fmt: skip
PLAIN: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None, "array": []}


def sample_input(workflow: Workflow) -> str:
    """Compact JSON with a value for each parameter that has no default."""
    required = [p for p in workflow.parameters if p.default is p.empty]
    values = {p.name: _sample_of(workflow, p.name) for p in required}
    if len(workflow.parameters) == 1 and values:
        return orjson.dumps(next(iter(values.values()))).decode()
    return orjson.dumps(values).decode()


def _sample_of(workflow: Workflow, name: str) -> Any:
    known = workflow.types.get(name)
    schema = None if known is None else known.json_schema()
    return {} if schema is None else _sample(schema, schema.get("$defs", {}))


def _sample(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _sample(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    for alternatives in ("anyOf", "oneOf", "allOf"):
        if alternatives in schema:
            return _sample(schema[alternatives][0], definitions)
    for fixed in ("const", "enum"):
        if fixed in schema:
            return schema[fixed] if fixed == "const" else schema[fixed][0]
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        return {name: _sample(properties[name], definitions) for name in schema.get("required", []) if name in properties}
    return FORMATS.get(schema.get("format", ""), PLAIN.get(str(schema.get("type")), {}))
