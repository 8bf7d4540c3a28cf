"""What goes wrong in a test before the workflow is even at fault."""

from __future__ import annotations

from tollway.errors import TollwayError


class TaskStuck(TollwayError):
    """The awaited task cannot end by itself: nothing is due, or the time that the test gives it is over.

    The message says what it waits for.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint)

    def __str__(self) -> str:
        # pytest shows the text of an exception and nothing else
        return f"{self.message}\nhint: {self.hint}"
