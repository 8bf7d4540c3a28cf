"""Declaring and starting workflows."""

from tollway.workflow.app import Tollway
from tollway.workflow.child import Child
from tollway.workflow.context import Context
from tollway.workflow.definition import Workflow
from tollway.workflow.handle import Handle
from tollway.workflow.policy import step
from tollway.workflow.retry import Retry
from tollway.workflow.sync_child import SyncChild
from tollway.workflow.sync_context import SyncContext
from tollway.workflow.sync_handle import SyncHandle

__all__ = [
    "Child",
    "Context",
    "Handle",
    "Retry",
    "SyncChild",
    "SyncContext",
    "SyncHandle",
    "Tollway",
    "Workflow",
    "step",
]
