"""Fan out: many steps at once with `ctx.map`, and child workflows for work that deserves its own retries and history."""

from dataclasses import dataclass

from tollway import Context, Retry, Tollway, step

app = Tollway(queue="inventory")


@dataclass
class Shop:
    name: str
    shelves: list[str]


@step(retry=Retry(max_attempts=3, first=0.1), timeout=30)
async def count_shelf(shelf: str) -> int:
    """Stands for a call to somebody's service: it may run twice, its recorded count never changes."""
    return len(shelf)


@app.workflow(version="1")
async def count_shop(ctx: Context, shop: Shop) -> int:
    counts = await ctx.map("shelf", count_shelf, shop.shelves, concurrency=4)
    return sum(counts)


@app.workflow(version="1")
async def count_all(ctx: Context, shops: list[Shop]) -> dict[str, int]:
    children = [await ctx.start_child(count_shop, shop, key=shop.name) for shop in shops]
    totals = await ctx.gather(*(child.result() for child in children))
    return {shop.name: total for shop, total in zip(shops, totals, strict=True)}
