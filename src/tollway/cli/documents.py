"""JSON that was typed or piped in."""

from __future__ import annotations

import sys
from typing import Any

import orjson

from tollway.cli.output import UsageError
from tollway.protocol.codec import settle


def read_document(text: str, what: str) -> Any:
    """Parse `text`, or standard input for `-`, into a value that the database stores unchanged. Raises: UsageError."""
    raw = sys.stdin.read() if text == "-" else text
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        quoted = "quote it for the shell: '{\"order\": 7}', and text twice: '\"text\"'."
        raise UsageError(f"{what} {raw[:40]!r} is not JSON: {error}", quoted) from error
    return settle(parsed, what)[1]
