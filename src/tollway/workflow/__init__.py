"""Declaring and starting workflows."""

from tollway.workflow.app import Tollway
from tollway.workflow.context import Context, SyncContext
from tollway.workflow.definition import Workflow
from tollway.workflow.handle import Handle, SyncHandle
from tollway.workflow.outcome import ResultNotReady, WorkflowCancelled, WorkflowFailed

__all__ = [
    "Context",
    "Handle",
    "ResultNotReady",
    "SyncContext",
    "SyncHandle",
    "Tollway",
    "Workflow",
    "WorkflowCancelled",
    "WorkflowFailed",
]
