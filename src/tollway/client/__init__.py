"""A typed method for each function of schema absurd, on a connection of yours. Nothing here commits."""

from tollway.client.asynchronous import AsyncClient
from tollway.client.synchronous import Client

# the names that absurd's own old client had
AbsurdClient = Client
AsyncAbsurdClient = AsyncClient

__all__ = ["AbsurdClient", "AsyncAbsurdClient", "AsyncClient", "Client"]
