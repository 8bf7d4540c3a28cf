"""What is tried again, how often, and what is final."""

from datetime import timedelta

from tollway import Context, NonRetryable, Retry, Tollway, step
from tollway.model import Move

app = Tollway(queue="payments")
calls: list[str] = []


class CardRefused(NonRetryable):
    """No further attempt is made, whatever the policy says."""


@step(retry=Retry(max_attempts=4, first=timedelta(seconds=1), factor=3, most=60), timeout=10)
async def charge(card: str, key: str) -> str:
    """Give the key to the payment provider: it is the same at each attempt, so a second call charges nothing."""
    calls.append(key)
    if card == "stolen":
        raise CardRefused("the card is stolen")
    if len(calls) < 3:
        raise ConnectionError("the provider does not answer")
    return "paid"


@app.workflow(version="1", max_attempts=3, retry=Retry(max_attempts=3, first=30))
async def pay(ctx: Context, card: str) -> str:
    return await ctx.step("charge", charge, card, ctx.idempotency_key("charge"))


@app.on_failure(pay)
async def tell_somebody(ctx: Context, move: Move) -> None:
    await ctx.step("tell", calls.append, f"failed: {move.error['message']}")
