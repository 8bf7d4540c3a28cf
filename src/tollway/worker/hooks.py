"""A worker registers the hooks that its app declares, so that code and database agree from its first claim on."""

from __future__ import annotations

from collections.abc import Sequence

from tollway.client import AsyncAbsurdClient
from tollway.worker.connection import LOST, Link
from tollway.workflow.definition import Hook


async def register_hooks(link: Link, hooks: Sequence[Hook]) -> None:
    """Set each of them, again if the connection is lost. Raises: what the database refuses, an unknown queue say."""
    for hook in hooks:
        while True:
            client = AsyncAbsurdClient(await link.connection())
            try:
                await client.set_on_move(
                    hook.queue, hook.task_name, hook.to_state, hook.handler.name, handler_queue=hook.handler.queue, options=hook.options()
                )
            except LOST:
                await link.close()
            else:
                break
