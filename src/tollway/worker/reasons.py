"""Why a run failed, as the JSON document that is recorded."""

from __future__ import annotations

import traceback
from typing import Any

from tollway.errors import TollwayError

MOST_MESSAGE = 2_000
MOST_TRACEBACK = 8_000
MOST_FRAMES = 30
CUT = " [...] "


def reason_of(error: BaseException) -> dict[str, Any]:
    """Name, message, hint (of an error of ours) and traceback, without the values of locals: they may be secrets.

    Never raises: an exception whose `__str__` fails must not hide that the run failed.
    """
    try:
        message = str(error)
    except Exception:
        message = "(the exception's message could not be read)"
    try:
        lines = traceback.format_exception(type(error), error, _own_frames(error), limit=-MOST_FRAMES)
        trace = "".join(lines)
    except Exception:
        trace = "(the traceback could not be formatted)"
    reason = {
        "name": type(error).__name__,
        "message": _storable(message, MOST_MESSAGE),
        "traceback": _storable(trace, MOST_TRACEBACK),
    }
    if isinstance(error, TollwayError) and isinstance(error.hint, str):
        reason["hint"] = _storable(error.hint, MOST_MESSAGE)
    return reason


def _own_frames(error: BaseException) -> Any:
    """The traceback from the user's first frame on: how the worker got there is noise."""
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None and _is_ours(frames):
        frames = frames.tb_next
    return frames


def _is_ours(frames: Any) -> bool:
    module = str(frames.tb_frame.f_globals.get("__name__", ""))
    return module.startswith(("tollway.worker", "tollway.workflow", "concurrent.futures"))


def _storable(text: str, most: int) -> str:
    """Text that Postgres takes (no NUL, no lone surrogate), cut in the middle: cause and place stand at the ends."""
    clean = text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    if len(clean) <= most:
        return clean
    keep = (most - len(CUT)) // 2
    return clean[:keep] + CUT + clean[-keep:]
