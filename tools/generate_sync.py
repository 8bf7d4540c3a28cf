"""Write the synchronous twins from the asynchronous sources; with --check, only say whether they are up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tollway"
AWAITING = (("async def ", "def "), ("async with ", "with "), ("await ", ""))


@dataclass(frozen=True)
class Twin:
    """`target` is `source` with its first line replaced and `replacements` applied in order."""

    source: str
    target: str
    title: str
    replacements: tuple[tuple[str, str], ...]


CONTEXT = (
    ("from asyncio import sleep as pause", "from time import perf_counter, sleep as pause"),
    ("from time import perf_counter\n", ""),
    ("import Context\n", "import SyncContext\n"),
    ("workflow.context", "workflow.sync_context"),
    ("import Child\n", "import SyncChild\n"),
    ("workflow.child ", "workflow.sync_child "),
    ("Port,", "_PORT_,"),
    ("_PORT_", "SyncPort"),
    ("class Context", "class SyncContext"),
    ("class Child", "class SyncChild"),
    ("-> Context", "-> SyncContext"),
    ("context: Context", "context: SyncContext"),
    ("return Context(", "return SyncContext("),
    ("-> Child", "-> SyncChild"),
    ("child: Child", "child: SyncChild"),
    ("return Child(", "return SyncChild("),
    ("an asynchronous workflow", "a workflow that runs in a thread"),
    ("branches: Awaitable[Any]", "branches: Callable[[], Any]"),
    ("coroutines of your own made of those", "functions of your own made of those"),
    (
        "Run branches in parallel: steps, results of children, or",
        "Run branches, functions without arguments, in threads: steps, results of children, or",
    ),
    ("                value = fn(*args, **kwargs)\n", "                value = not_a_coroutine(name, fn(*args, **kwargs))\n"),
    ("                if type(value) not in PLAIN and isawaitable(value):\n                    value = await value\n", ""),
    ("import PLAIN, body_async, inside", "import body_async, inside, not_a_coroutine"),
    ("recalled: Any", "recalled: T"),
    ("settled: Any", "settled: T"),
    ("body_async", "body_sync"),
    ("parallel_async", "parallel_sync"),
    ("branch_async", "branch_sync"),
    ("run_async", "run_sync"),
    ("records_async", "records_sync"),
)
HANDLE = (
    ("import time\nfrom asyncio import sleep as pause", "import time\nfrom time import sleep as pause"),
    ("class Handle", "class SyncHandle"),
    ("AsyncAbsurdClient", "AbsurdClient"),
    ("lend_async", "lend"),
)
CASES = (
    ("import Context, ", "import SyncContext, "),
    ("ctx: Context", "ctx: SyncContext"),
    ("asyncio.Barrier", "threading.Barrier"),
    ("asyncio.sleep", "time.sleep"),
    ("import asyncio\nimport threading\n", "import asyncio\nimport threading\nimport time\n"),
    ("ctx.gather(first(), second())", "ctx.gather(first, second)"),
    ("ctx.gather(branch(1), branch(2))", "ctx.gather(lambda: branch(1), lambda: branch(2))"),
    ("ctx.gather(*(child.result() for child in children))", "ctx.gather(*(child.result for child in children))"),
    ("AsyncConnection", "Connection"),
    ("AsyncSession", "Session"),
    ("sqlalchemy.ext.asyncio", "sqlalchemy.orm"),
)
OVERLOADS = re.compile(r"    @overload\n    async def step.*?    async def step\(self, name: str, fn: Callable\[\.\.\.[^\n]*\n", re.S)
TYPED_STEP = "    def step(self, name: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:\n"

TWINS = (
    Twin(
        "client/asynchronous.py",
        "client/synchronous.py",
        "The synchronous client.",
        (
            ("async_driver_connection", "driver_connection"),
            ("AsyncConnection", "Connection"),
            ("AsyncCursor", "Cursor"),
            ("AsyncClient", "Client"),
        ),
    ),
    Twin(
        "workflow/context.py", "workflow/sync_context.py", "The synchronous context: what a workflow in a thread may do durably.", CONTEXT
    ),
    Twin("../../tests/api/cases.py", "../../tests/api/sync_cases.py", "The workflows that the API's tests run, as plain functions.", CASES),
    Twin("workflow/handle.py", "workflow/sync_handle.py", "A started workflow, as synchronous code holds it.", HANDLE),
    Twin("workflow/child.py", "workflow/sync_child.py", "A started child, as its parent in a thread holds it.", CONTEXT),
)


def generate(twin: Twin) -> str:
    """The synchronous source, formatted as the rest."""
    source = (SOURCE / twin.source).read_text()
    first, rest = source.split("\n", 1)
    assert "generate_sync.py" in first, twin.source
    rest = OVERLOADS.sub(TYPED_STEP, rest)
    for old, new in (*twin.replacements, *AWAITING):
        rest = rest.replace(old, new)
    header = f'"""{twin.title}\n\nGENERATED from {Path(twin.source).name} by tools/generate_sync.py: change that file.\n"""'
    return _ruff(_ruff(f"{header}\n{rest}", twin, "check", "--fix-only", "--select", "I,F401"), twin, "format")


def _ruff(text: str, twin: Twin, *command: str) -> str:
    arguments = [sys.executable, "-m", "ruff", *command, "--quiet", "--stdin-filename", str(SOURCE / twin.target), "-"]
    return subprocess.run(arguments, input=text, capture_output=True, text=True, check=True).stdout


def main() -> int:
    behind = []
    for twin in TWINS:
        target = SOURCE / twin.target
        wanted = generate(twin)
        if target.exists() and target.read_text() == wanted:
            continue
        behind.append(twin.target)
        if "--check" not in sys.argv:
            target.write_text(wanted)
    if behind and "--check" in sys.argv:
        print(f"{', '.join(behind)}: not what tools/generate_sync.py writes: run it")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
