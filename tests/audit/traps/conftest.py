"""One trap: SQL (and Python) of our own, scanned through the public command."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from traps_base import scan

__all__ = ["scan"]
