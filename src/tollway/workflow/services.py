"""What a running workflow needs beside its journal: the workflows it may start, and business connections."""

from __future__ import annotations

from dataclasses import dataclass

from tollway.workflow.business import Business
from tollway.workflow.definition import Registry


@dataclass(frozen=True, slots=True)
class Services:
    """One for each worker."""

    registry: Registry
    business: Business
