"""Declaring and starting workflows."""

from tollway.workflow.app import Tollway
from tollway.workflow.context import Context, SyncContext
from tollway.workflow.definition import Workflow
from tollway.workflow.handle import Handle, SyncHandle

__all__ = [
    "Context",
    "Handle",
    "SyncContext",
    "SyncHandle",
    "Tollway",
    "Workflow",
]
