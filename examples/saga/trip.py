"""A saga: when a later booking fails for good, the earlier ones are undone, newest first.

Each undoing is a step itself, so a crash in the middle of the clean-up goes on with the clean-up.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tollway import Context, NonRetryable, Retry, Tollway

app = Tollway(queue="trips")


@dataclass
class Trip:
    traveller: str
    city: str


class FullyBooked(NonRetryable):
    """No attempt will help: there is no room."""


bookings: dict[str, str] = {}  # stands for three companies' computers


async def book(what: str, trip: Trip, key: str) -> str:
    """`key` is the same at every attempt, so a booking that is sent twice is one booking."""
    if trip.city == "Atlantis" and what == "hotel":
        raise FullyBooked(f"no hotel in {trip.city}")
    bookings[key] = f"{what} for {trip.traveller}"
    return key


async def cancel(booking: str) -> None:
    """Cancelling twice does no harm, and so it may run twice."""
    bookings.pop(booking, None)


@app.workflow(version="1")
async def book_trip(ctx: Context, trip: Trip) -> list[str]:
    patient = ctx.options(retry=Retry(max_attempts=5))
    undo: list[tuple[str, Callable[..., object], str]] = []
    try:
        for what in ("train", "car", "hotel"):
            name = f"book {what}"
            booking = await patient.step(name, book, what, trip, ctx.idempotency_key(name))
            undo.append((f"cancel {what}", cancel, booking))
    except Exception:
        for name, fn, booking in reversed(undo):
            await patient.step(name, fn, booking)
        raise
    return [booking for _, _, booking in undo]
