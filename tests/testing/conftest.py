"""The plugin's own fixtures, on the server that the other tests use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tollway.embedded import EmbeddedPostgres
from tollway.testing import Env, TestServer
from tollway.testing.plugin import tollway_db, tollway_env
from tollway.workflow import Tollway

__all__ = ["tollway_db", "tollway_env"]


@pytest.fixture(scope="session")
def tollway_server(server: EmbeddedPostgres) -> Iterator[TestServer]:
    tests = TestServer(server.dsn, throwaway=True)
    yield tests
    tests.close()


@pytest.fixture
def env(tollway_env: Env) -> Env:
    return tollway_env


@pytest.fixture
def app(env: Env) -> Tollway:
    return env.bind(Tollway())
