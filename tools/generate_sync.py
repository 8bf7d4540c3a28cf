"""Write the synchronous client from the asynchronous one; with --check, only say whether it is up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parent.parent / "src" / "tollway" / "client"
HEADER = '"""The synchronous client. GENERATED from asynchronous.py by tools/generate_sync.py: change that file."""'
REPLACEMENTS = (
    ("one connection of psycopg's", "one connection, psycopg's or SQLAlchemy's"),
    ("AsyncConnection", "Connection"),
    ("AsyncClient", "Client"),
    ("async def ", "def "),
    ("await ", ""),
)


def generate() -> str:
    """The synchronous source, formatted as the rest."""
    source = (CLIENT / "asynchronous.py").read_text()
    first, rest = source.split("\n", 1)
    assert first.startswith('"""The asynchronous client')
    for old, new in REPLACEMENTS:
        rest = rest.replace(old, new)
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(CLIENT / "synchronous.py"), "-"]
    return subprocess.run(command, input=f"{HEADER}\n{rest}", capture_output=True, text=True, check=True).stdout


def main() -> int:
    target = CLIENT / "synchronous.py"
    wanted = generate()
    if "--check" in sys.argv:
        if target.exists() and target.read_text() == wanted:
            return 0
        print(f"{target} is not what tools/generate_sync.py writes: run it")
        return 1
    target.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
