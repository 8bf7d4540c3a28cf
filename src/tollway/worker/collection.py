"""Python's garbage collector, in a process that is a worker's own.

A full collection walks over everything that is alive: in a process that has just imported its code that takes some 30 ms, in which no
task goes on, and the objects of the code are the most of it. They are frozen, as the collector's documentation suggests for what lives
as long as the process: it then walks only over what came since.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def spared() -> Iterator[None]:
    """While entered, what was alive before is not collected and costs no collection any time."""
    if gc.get_freeze_count():
        yield  # somebody froze before, the application or another worker, and thaws when it wants
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
