"""The paths to a change of state: who writes it, who calls the writers, and which effects are missing on the way."""

from tollway.audit.graph.build import Edge, Graph, Node, build

__all__ = ["Edge", "Graph", "Node", "build"]
