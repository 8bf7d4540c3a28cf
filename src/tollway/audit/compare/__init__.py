"""Two versions of a project held against one another: which findings, writes and verdicts are new, gone or worse."""

from tollway.audit.compare.differences import Differences, differences
from tollway.audit.compare.revision import Revision, revision

__all__ = ["Differences", "Revision", "differences", "revision"]
