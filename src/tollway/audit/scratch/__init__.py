"""What a schema does when it runs, in a database of its own, held against what was read in its text."""

from tollway.audit.scratch.compare import Comparison, compare
from tollway.audit.scratch.database import install, scratch
from tollway.audit.scratch.drive import drive
from tollway.audit.scratch.probe import Move, moves, put_probes

__all__ = ["Comparison", "Move", "compare", "drive", "install", "moves", "put_probes", "scratch"]
