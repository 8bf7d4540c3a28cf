"""For the tests of applications: a database for each test, and workflows that are worked off in the test's own process.

A pytest plugin, `tollway.testing.plugin`, gives the fixtures `tollway_server`, `tollway_db` and `tollway_env`.
"""

from tollway.testing.database import Clock, TestDatabase
from tollway.testing.env import Env
from tollway.testing.errors import TaskStuck
from tollway.testing.server import TestServer
from tollway.testing.task import Step, TaskView

__all__ = ["Clock", "Env", "Step", "TaskStuck", "TaskView", "TestDatabase", "TestServer"]
