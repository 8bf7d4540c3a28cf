"""Running workflows."""

from tollway.worker.loop import Worker
from tollway.worker.options import WorkerOptions

__all__ = ["Worker", "WorkerOptions"]
