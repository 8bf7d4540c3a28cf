"""Durable workflows on the Postgres you already run, where no state change goes unrecorded."""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__"]
