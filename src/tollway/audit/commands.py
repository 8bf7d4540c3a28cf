"""`tollway audit`: the way in. Exit codes: 0 clean, 1 findings, 2 configuration, 3 the analysis is incomplete.

A scan whose answer is kept is answered from here: the parser of the command line, the parsers of SQL and the rules, which take longer
to load than the answer to look up, are imported only when there is something to do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tollway.audit.cli.recall import recall, show
from tollway.audit.errors import AuditError

INCOMPLETE = 3
INTERRUPTED = 130
NO_READER = 141
"""128 and the number of SIGPIPE."""
TRACEBACK_VARIABLE = "TOLLWAY_TRACEBACK"
_DEPTH = 10_000
"""Calls on the stack: blocks in blocks in blocks are read by functions that call themselves."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        answer = recall(given)
        if answer is not None:
            show(answer)
            return answer.exit_code
        from tollway.audit.cli.app import run  # see above

        sys.setrecursionlimit(max(sys.getrecursionlimit(), _DEPTH))
        return run(given)
    except AuditError as error:
        print(f"tollway audit: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (head, less) has gone
        return NO_READER
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        return _internal(error)


def _internal(error: Exception) -> int:
    """A mistake of the auditor: what it was reading is not analysed, so the result is incomplete and never clean."""
    if isinstance(error, RecursionError):
        told = "a statement is nested too deeply to be read"
    else:
        import traceback

        frame = traceback.extract_tb(error.__traceback__)[-1]
        told = f"internal error: {type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"
    print(f"tollway audit: {told}", file=sys.stderr)
    print(f"hint: leave out the file with `exclude`, and report it; {TRACEBACK_VARIABLE}=1 shows where it happened", file=sys.stderr)
    return INCOMPLETE
