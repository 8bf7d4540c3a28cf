"""Durable workflows on the Postgres you already run, where no state change goes unrecorded."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tollway.client import AsyncClient, Client
    from tollway.errors import NonRetryable, TollwayError
    from tollway.workflow import Context, Retry, SyncContext, Tollway, step

__version__ = "0.1.0"
__all__ = [
    "AsyncClient", "Client", "Context", "NonRetryable", "Retry", "SyncContext", "Tollway", "TollwayError", "__version__", "step",
]  # fmt: skip

# Loaded when first asked for: the auditor, and the command line's help, need neither driver nor worker.
_HOMES = {
    "AsyncClient": "client", "Client": "client", "NonRetryable": "errors", "TollwayError": "errors", "Context": "workflow",
    "Retry": "workflow", "SyncContext": "workflow", "Tollway": "workflow", "step": "workflow",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
