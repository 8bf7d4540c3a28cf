"""An application: one workflow, as it would stand in your code."""

from datetime import timedelta
from typing import Any

from tollway import Context, Tollway

app = Tollway()


async def charge_card(order: int, key: str) -> str:
    """Your payment provider takes the key, and charges once for it."""
    return f"payment for {order}, key {key}"


async def reserve_stock(connection: Any, order: int) -> None:
    await connection.execute("insert into reservation (order_id) values (%s)", (order,))


@app.workflow
async def fulfil(ctx: Context, order: int) -> dict[str, Any]:
    payment = await ctx.step("charge", charge_card, order, ctx.idempotency_key("charge"))
    await ctx.transaction("reserve", reserve_stock, order)
    approval = await ctx.wait_for_event(f"approved:{order}", timeout=timedelta(days=1))
    await ctx.sleep(timedelta(hours=1))
    shipped_at = await ctx.now()
    return {"payment": payment, "approved_by": approval["by"], "shipped_at": shipped_at.isoformat()}
