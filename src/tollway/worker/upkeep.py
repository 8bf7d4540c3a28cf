"""What a worker does for the database besides its tasks: the log's partitions are made ahead.

They are made for five weeks, so that a worker that looks once an hour is in time even if it fails for days; without them rows go to the
default partition, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import logging
import random

import psycopg

from tollway.worker.connection import LOST, Link
from tollway.workflow.connect import first_line

log = logging.getLogger("tollway.worker")

PERIOD = 3600.0
AFTER_A_FAILURE = 60.0


class Upkeep:
    """Asks for the partitions at once and then every hour, on a connection that is open only meanwhile."""

    def __init__(self, dsn: str) -> None:
        self._link = Link(dsn, "upkeep")

    async def run(self) -> None:
        """Runs until cancelled."""
        try:
            while True:
                made = await self._ensure()
                # workers that began together do not come together
                await asyncio.sleep((PERIOD if made else AFTER_A_FAILURE) * random.uniform(0.5, 1.0))
        finally:
            await self._link.close()

    async def _ensure(self) -> bool:
        try:
            connection = await self._link.try_connection()
            await connection.execute("select absurd.ensure_partitions()")
        except (*LOST, psycopg.Error) as error:
            log.info("the log's partitions could not be looked after (%s); again within a minute", first_line(error))
            return False
        else:
            return True
        finally:
            await self._link.close()
