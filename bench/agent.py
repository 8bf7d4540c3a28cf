"""A process of a measured system, in its own virtual environment: it does what the driver's lines on its standard input say.

python agent.py SYSTEM DSN MARKS WORKER-NUMBER
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from harness.marks import Marks
from harness.system import System


def load(name: str) -> type[System]:
    """The class of system `name`, which its file gives as SYSTEM."""
    system: type[System] = importlib.import_module(f"systems.{name}").SYSTEM
    return system


def main() -> int:
    name, dsn, marks, worker = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(**said: Any) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    system = load(name)(dsn, Marks(Path(marks), int(worker)))
    importlib.import_module(system.module)  # the driver times no imports
    answer(value="ready")
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(value=getattr(system, request["call"])(**request["args"]))
        except Exception:
            answer(error=traceback.format_exc())
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # background threads of libraries would keep it
