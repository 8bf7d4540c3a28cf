"""An application and a look at its database, for each test."""

from __future__ import annotations

from worker.conftest import app, look

__all__ = ["app", "look"]
