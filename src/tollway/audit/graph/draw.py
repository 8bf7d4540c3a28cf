"""A graph as mermaid, as DOT, and as JSON."""

from __future__ import annotations

import json
from typing import Any

from tollway.audit.graph.build import Edge, Graph, Node
from tollway.audit.model import SCHEMA_VERSION

_MERMAID = {
    "state": ('[("', '")]'),
    "sql": ('["', '"]'),
    "view": ('[/"', '"/]'),
    "trigger": ('{{"', '"}}'),
    "python": ('[["', '"]]'),
    "cron": ('(["', '"])'),
    "script": ('(["', '"])'),
}
_DOT = {
    "state": "cylinder",
    "sql": "box",
    "view": "parallelogram",
    "trigger": "hexagon",
    "python": "component",
    "cron": "ellipse",
    "script": "ellipse",
}
_RED, _AMBER = "#c62828", "#ef6c00"


def mermaid(graph: Graph) -> str:
    """A flowchart for Markdown. Red: a required effect is missing. Orange: it does not surely follow."""
    names = _names(graph)
    lines = ["flowchart LR"]
    for node in graph.nodes.values():
        opening, closing = _MERMAID[node.kind]
        lines.append(f"  {names[node.id]}{opening}{'<br/>'.join(map(_entities, _node(node)))}{closing}")
    styles: list[str] = []
    for i, edge in enumerate(graph.edges):
        arrow = "-->" if edge.kind in ("writes", "direct", "python") else "-.->"
        lines.append(f'  {names[edge.source]} {arrow}|"{"<br/>".join(map(_entities, _edge(edge)))}"| {names[edge.target]}')
        if edge.lacks:
            styles.append(f"  linkStyle {i} stroke:{_colour(edge)},stroke-width:2px")
    return "\n".join([*lines, *styles])


def dot(graph: Graph) -> str:
    """A digraph for Graphviz."""
    names = _names(graph)
    lines = ["digraph audit {", "  rankdir=LR;"]
    lines += [f"  {names[node.id]} [shape={_DOT[node.kind]}, label={_quoted(_node(node))}];" for node in graph.nodes.values()]
    for edge in graph.edges:
        style = "solid" if edge.kind in ("writes", "direct", "python") else "dashed"
        colour = f', color="{_colour(edge)}", fontcolor="{_colour(edge)}"' if edge.lacks else ""
        lines.append(f"  {names[edge.source]} -> {names[edge.target]} [style={style}, label={_quoted(_edge(edge))}{colour}];")
    return "\n".join([*lines, "}"])


def as_json(graph: Graph) -> str:
    """Nodes, edges, and every path as the names on its way."""
    paths = graph.paths()
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "goals": list(graph.goals),
        "nodes": [_node_json(node) for node in graph.nodes.values()],
        "edges": [_edge_json(edge) for edge in graph.edges],
        "paths": [[path[0].source, *(edge.target for edge in path)] for path in paths],
        "paths_truncated": graph.truncated,
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _names(graph: Graph) -> dict[str, str]:
    """Names of our own for the nodes: no name of a user can break the picture's syntax."""
    return {node: f"n{i}" for i, node in enumerate(graph.nodes)}


def _node(node: Node) -> list[str]:
    return [node.id, *([str(node.span)] if node.span else [])]


def _edge(edge: Edge) -> list[str]:
    return [edge.label, str(edge.span), *(f"{effect}: {status}" for effect, status in edge.lacks)]


def _colour(edge: Edge) -> str:
    return _RED if any(status in ("missing", "disabled") for _, status in edge.lacks) else _AMBER


def _entities(text: str) -> str:
    """Mermaid has no escape by backslash: what is not a plain character of a name becomes its number."""
    return "".join(c if c.isalnum() or c in " _.:/()*,-" else f"#{ord(c)};" for c in " ".join(text.split()))


def _quoted(lines: list[str]) -> str:
    told = (line.replace("\\", "\\\\").replace('"', '\\"') for line in (" ".join(text.split()) for text in lines))
    return '"' + "\\n".join(told) + '"'


def _node_json(node: Node) -> dict[str, Any]:
    return {"id": node.id, "kind": node.kind, "file": node.span.file if node.span else None, "line": node.span.line if node.span else None}


def _edge_json(edge: Edge) -> dict[str, Any]:
    return {
        "from": edge.source,
        "to": edge.target,
        "kind": edge.kind,
        "label": edge.label,
        "file": edge.span.file,
        "line": edge.span.line,
        "lacks": [{"effect": effect, "status": status} for effect, status in edge.lacks],
    }
