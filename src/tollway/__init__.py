"""Durable workflows on the Postgres you already run, where no state change goes unrecorded."""

from __future__ import annotations

from tollway.client import AsyncClient, Client
from tollway.errors import TollwayError
from tollway.workflow import Context, SyncContext, Tollway

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "Context", "SyncContext", "Tollway", "TollwayError", "__version__"]
