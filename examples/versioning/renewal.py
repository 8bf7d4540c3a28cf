"""Two shapes of one workflow side by side: what began with the old one ends with the old one."""

from datetime import timedelta

from tollway import Context, Tollway

app = Tollway(queue="renewals")


async def remind(customer: str) -> str:
    return f"reminded {customer}"


async def offer(customer: str) -> str:
    return f"offered {customer} a discount"


@app.workflow(name="renew", version="1")
async def renew_1(ctx: Context, customer: str) -> list[str]:
    await ctx.sleep(timedelta(days=30), name="until the reminder")
    return [await ctx.step("remind", remind, customer)]


@app.workflow(name="renew 2", version="2")
async def renew(ctx: Context, customer: str) -> list[str]:
    discount = await ctx.step("offer", offer, customer)
    await ctx.sleep(timedelta(days=20), name="until the reminder")
    return [discount, await ctx.step("remind", remind, customer)]
