"""A live database against what was written down of it: triggers, functions, grants, and rules that its rows must keep."""

from tollway.audit.drift.compare import Difference, broken_invariants, differences
from tollway.audit.drift.manifest import Manifest, take

__all__ = ["Difference", "Manifest", "broken_invariants", "differences", "take"]
