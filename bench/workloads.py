"""The workflows that are measured."""

from __future__ import annotations

from tollway import Context, Tollway

app = Tollway(queue="bench")


def nothing(number: int) -> int:
    return number


@app.workflow
async def noop(_ctx: Context) -> None:
    return None


@app.workflow
async def ten_steps(ctx: Context) -> int:
    total = 0
    for number in range(10):
        total += await ctx.step(f"step {number}", nothing, number)
    return total
